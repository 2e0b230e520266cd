/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP rules and client streams made of dice: small vocabularies, so that they meet. */
#ifndef WEFT_TESTS_UNIT_RANDOM_HTTP_H
#define WEFT_TESTS_UNIT_RANDOM_HTTP_H

#include <stdio.h>
#include "unit/cluster.h"
#include "unit/dice.h"

static const char *const http_methods[] = {
	"GET",	   "GET",     "GET",   "POST",	"POST",	    "HEAD", "PUT",  "DELETE",
	"OPTIONS", "CONNECT", "PATCH", "TRACE", "M-SEARCH", "get",  "GETS", "x",
};
static const char *const http_names[] = {
	"x-a",
	"x-ab",
	"X-A",
	"x-b",
	"cookie",
	"host",
	"Host",
	"upgrade",
	"user-agent",
	"content-length",
	"transfer-encoding",
	"x",
};
static const char *const http_values[] = {
	"",
	"a",
	"ab",
	"b a",
	"1",
	"12",
	"chunked",
	"websocket",
	"CHUNKED",
	"a/b",
	"\xc3\xa4",
	"k=v; w=x",
	"WebSocket",
	"a\tb",
	"aaaaaaaaaaaaaaaaaaaa",
	"example.org:80",
	"Mozilla/5.0 (X11; Linux x86_64)",
};
static const char *const http_segments[] = {
	"a",   "b",	 "ab", "api", "v1",  "v12", "...", "a.b", "a;b", "%20", "%25",
	"%7b", "%c3%a4", "~u", "A",   "API", "*",   "-",   "_",	  "'\"", "|",	"0123456789",
};
/* Ambiguous ones, and some that look like it. */
static const char *const http_odd_segments[] = {
	".",   "..",  ";x",  "..;x", "",    "%2f", "%2E", "%41", "%00",
	"%7f", "%zz", "\\",  "#",    "%4",  "%",   "...", "a..", "%5b",
	"%5f", "%3A", "%60", "%7B",  "%ff", "%2%", "%1",  ".;",	 "a;",
};
static const char *const http_path_regexes[] = {
	"/",	    "/a",	  "/api/v[0-9]+", "/(a|b)/", "/[^/]+/b",     "/a$",
	".*b",	    "/api(/|$)",  "(?i)/api",	  "/a|/b/",  "\\*",	     "/.{3}",
	"/(a/)*b$", "/[a-z]+\\.", "^/v\\d+$",	  "x|",	     "(/[a-b]*){2}", "example.*:[0-9]+$",
	"/a\\b",    "/%20",	  "$^",		  "/\\pL",   "/.*/.*/v1",    ".*(a|b)(a|b)$",
};
static const char *const http_value_regexes[] = {
	"",    "a",	  "^a",	  "a$",	       "^a$",	   "^$",      ".",
	"b a", "chunked", "^web", "(?i)ch.*d", "[0-9]+",   "^\\d+$",  "\\bk=v\\b",
	"\\s", "[^a]",	  "80$",  "a.*a$",     "\xc3\xa4", "\\x{e4}", "^[[:alnum:]]*$",
};

/* Together they are too large for one automaton: some run beside it, as lanes. */
static const char *const http_large_regexes[] = {
	".*a[ab1]{8}", ".*b[ab/]{9}", ".*[a-c].{7}v", ".*/[^/]{8}b", ".*1[a-z/]{9}", ".*v.{9}1",
};

static inline void random_http_match(struct dice *dice, FILE *out, unsigned int number, bool large)
{
	uint32_t count, i;

	fprintf(out, "{'name':'m%u'", number);
	if (large && !dice_roll(dice, 3))
		fprintf(out, ",'pathRegex':'%s'", DICE_PICK(dice, http_large_regexes));
	else if (dice_roll(dice, 4))
		fprintf(out, ",'pathRegex':'%s'", DICE_PICK(dice, http_path_regexes));
	if (dice_roll(dice, 2)) {
		fprintf(out, ",'methods':[");
		count = 1 + dice_roll(dice, 3);
		for (i = 0; i < count; i++)
			fprintf(out, "%s'%s'", i ? "," : "",
				dice_roll(dice, 8) ? DICE_PICK(dice, http_methods) : "*");
		fprintf(out, "]");
	}
	if (!dice_roll(dice, 3)) {
		fprintf(out, ",'headers':[");
		count = 1 + dice_roll(dice, dice_roll(dice, 8) ? 3 : 9);
		for (i = 0; i < count; i++)
			fprintf(out, "%s{'%s':'%s'}", i ? "," : "", DICE_PICK(dice, http_names),
				large && !dice_roll(dice, 3) ? DICE_PICK(dice, http_large_regexes) :
							       DICE_PICK(dice, http_value_regexes));
		fprintf(out, "]");
	}
	fprintf(out, "}");
}

/* A backslash must be written twice in JSON. */
static inline void random_http_put(struct cluster *cluster, const char *kind, const char *text)
{
	char *escaped = memory_alloc(2 * strlen(text) + 1), *to = escaped;

	for (; *text; text++) {
		if (*text == '\\')
			*to++ = '\\';
		*to++ = *text;
	}
	cluster_put_text(cluster, kind, escaped);
	free(escaped);
}

/* A group's patterns are more often the rare than the common ones. */
static inline void random_http_group(struct dice *dice, struct cluster *cluster, const char *name)
{
	uint32_t count = 1 + dice_roll(dice, dice_roll(dice, 6) ? 4 : 40), i;
	bool large = !dice_roll(dice, 60);
	size_t length;
	char *text;
	FILE *out = open_memstream(&text, &length);

	fprintf(out, "{'metadata':{'name':'%s','namespace':'shop'%s},'spec':{'matches':[", name,
		dice_roll(dice, 3) ? "" : ",'annotations':{'weft.dev/path-match':'full'}");
	for (i = 0; i < count; i++) {
		if (i)
			fputc(',', out);
		random_http_match(dice, out, i, large);
	}
	fprintf(out, "]}}");
	fclose(out);
	random_http_put(cluster, "HTTPRouteGroup", text);
	free(text);
}

static inline void random_http_target(struct dice *dice, struct cluster *cluster,
				      unsigned int number)
{
	static const char *const routes[] = { "", "", ",{'kind':'TCPRoute','name':'p80'}",
					      ",{'kind':'TCPRoute','name':'p81'}" };
	size_t length;
	char *text;
	FILE *out = open_memstream(&text, &length);

	fprintf(out,
		"{'metadata':{'name':'t%u','namespace':'shop'},'spec':{"
		"'destination':{'kind':'ServiceAccount','name':'api'},"
		"'sources':[{'kind':'ServiceAccount','name':'%s'}],'rules':["
		"{'kind':'HTTPRouteGroup','name':'g%u'",
		number, dice_roll(dice, 3) ? "frontend" : "batch", dice_roll(dice, 3));
	if (!dice_roll(dice, 3))
		fprintf(out, ",'matches':['m%u','m%u']", dice_roll(dice, 4), dice_roll(dice, 8));
	fprintf(out, "}%s]}}", DICE_PICK(dice, routes));
	fclose(out);
	random_http_put(cluster, "TrafficTarget", text);
	free(text);
}

/* shop/web (frontend) and shop/job (batch) call shop/api, on ports 80 and 81. */
static inline struct cluster *random_http_cluster(struct dice *dice)
{
	struct cluster *cluster = cluster_new();
	uint32_t i, targets = 1 + dice_roll(dice, 4);

	cluster_put(cluster, "Namespace",
		    "'metadata':{'name':'shop','labels':{'weft.dev/mesh':'enforce'},"
		    "'annotations':{'weft.dev/ambiguous-paths':'%s'}}",
		    dice_roll(dice, 3) ? "deny" : "allow");
	cluster_put_pod(cluster, "shop", "web", "frontend", "10.1.0.1", "");
	cluster_put_pod(cluster, "shop", "job", "batch", "10.1.0.2", "");
	cluster_put_pod(cluster, "shop", "api", "api", "10.1.0.3", "");
	cluster_put(cluster, "TCPRoute",
		    "'metadata':{'name':'p80','namespace':'shop'},"
		    "'spec':{'matches':{'ports':[80]}}");
	cluster_put(cluster, "TCPRoute",
		    "'metadata':{'name':'p81','namespace':'shop'},"
		    "'spec':{'matches':{'ports':[81]}}");
	random_http_group(dice, cluster, "g0");
	random_http_group(dice, cluster, "g1");
	random_http_group(dice, cluster, "g2");
	for (i = 0; i < targets; i++)
		random_http_target(dice, cluster, i);
	return cluster;
}

static inline const char *random_http_segment(struct dice *dice)
{
	return dice_roll(dice, 16) ? DICE_PICK(dice, http_segments) :
				     DICE_PICK(dice, http_odd_segments);
}

static inline void random_http_path(struct dice *dice, FILE *out)
{
	uint32_t count = dice_roll(dice, 5), i;

	fputc('/', out);
	if (!dice_roll(dice, 40))
		for (i = dice_roll(dice, 2000); i; i--)
			fputc(i % 5 ? 'a' : 'b', out);
	while (count--) {
		fputs(random_http_segment(dice), out);
		if (!dice_roll(dice, 4))
			fputs(random_http_segment(dice), out);
		if (count)
			fputc('/', out);
	}
	if (!dice_roll(dice, 4))
		fprintf(out, "?%s/%s", random_http_segment(dice),
			DICE_PICK(dice, http_odd_segments));
}

static const char *const http_authorities[] = { "example.org:80", "a", "[::1]:80",	"A:1",
						"b:443",	  "",  "Example.ORG:80" };

static inline void random_http_line(struct dice *dice, FILE *out)
{
	const char *method = DICE_PICK(dice, http_methods);

	fprintf(out, "%s ", method);
	if (!strcmp(method, "CONNECT") && dice_roll(dice, 8))
		fputs(DICE_PICK(dice, http_authorities), out);
	else if (!strcmp(method, "OPTIONS") && !dice_roll(dice, 3))
		fputc('*', out);
	else if (!dice_roll(dice, 8))
		fprintf(out, "%s://%s", dice_roll(dice, 8) ? "http" : "HTtP",
			DICE_PICK(dice, http_authorities));
	if ((strcmp(method, "OPTIONS") && strcmp(method, "CONNECT")) || !dice_roll(dice, 6))
		random_http_path(dice, out);
	fprintf(out, " HTTP/1.%c\r\n", dice_roll(dice, 5) ? '1' : '0');
}

static inline void random_http_field(struct dice *dice, FILE *out)
{
	static const char *const blanks[] = { " ", "", "  ", "\t", " \t " };

	fprintf(out, "%s:%s", DICE_PICK(dice, http_names), DICE_PICK(dice, blanks));
	fprintf(out, "%s%s\r\n", DICE_PICK(dice, http_values),
		dice_roll(dice, 4) ? "" : DICE_PICK(dice, blanks));
}

/* Longer than a window of the engine, now and then than a head may be. */
static inline void random_http_long(struct dice *dice, FILE *out)
{
	uint32_t length = dice_roll(dice, dice_roll(dice, 8) ? 1500 : 20000), i;
	static const char letters[] = "a b;\t\xc3=";

	for (i = 0; i < length; i++)
		fputc(i % 7 ? 'a' : letters[dice_roll(dice, sizeof(letters) - 1)], out);
}

static inline void random_http_chunks(struct dice *dice, FILE *out)
{
	static const char *const extensions[] = { ";a=\"b\"", ";",     ";a;b=c",	  " ",
						  ";a b",     ";\xff", "0000000000000000" };
	uint32_t count = dice_roll(dice, 3), size, i;

	while (count--) {
		size = 1 + dice_roll(dice, 30);
		fprintf(out, "%s%x%s\r\n", dice_roll(dice, 3) ? "" : "000", size,
			dice_roll(dice, 3) ? "" : DICE_PICK(dice, extensions));
		for (i = 0; i < size; i++)
			fputc((int)dice_roll(dice, 256), out);
		fputs("\r\n", out);
	}
	fputs("0\r\n", out);
	if (!dice_roll(dice, 3))
		fputs("x-t: 1\r\ncontent-length: x\r\n", out);
	fputs("\r\n", out);
}

/* Mostly well-formed; what makes it otherwise is chosen so that the reasons are many. */
static inline void random_http_request(struct dice *dice, FILE *out)
{
	uint32_t fields = dice_roll(dice, 6), body = dice_roll(dice, 8), length = 0;

	random_http_line(dice, out);
	if (dice_roll(dice, 32))
		fprintf(out, "Host: %s\r\n", DICE_PICK(dice, http_authorities));
	while (fields--)
		if (dice_roll(dice, 8))
			fprintf(out, "x-%s: %s\r\n", dice_roll(dice, 2) ? "a" : "b",
				DICE_PICK(dice, http_values));
		else
			random_http_field(dice, out);
	if (!dice_roll(dice, 16)) {
		fputs(dice_roll(dice, 2) ? "Cookie: " : "x-b:", out);
		random_http_long(dice, out);
		fputs("\r\n", out);
	}
	if (body == 1) {
		length = dice_roll(dice, dice_roll(dice, 8) ? 40 : 2000);
		fprintf(out, "Content-Length: %u\r\n", length);
	} else if (body == 2) {
		fputs("Transfer-Encoding: chunked\r\n", out);
	} else if (body == 3) {
		fputs("Upgrade: websocket\r\nConnection: upgrade\r\n", out);
	}
	fputs("\r\n", out);
	if (body == 2)
		random_http_chunks(dice, out);
	while (length--)
		fputc((int)dice_roll(dice, 256), out);
}

static inline void random_http_insert(char **text, size_t *length, size_t at, const char *piece,
				      size_t count)
{
	char *longer = memory_alloc(*length + count + 1);

	memcpy(longer, *text, at);
	memcpy(longer + at, piece, count);
	memcpy(longer + at + count, *text + at, *length - at);
	free(*text);
	*text = longer;
	*length += count;
}

/* Damages a stream: bytes and pieces that some reader somewhere takes for something else. */
static inline void random_http_damage(struct dice *dice, char **text, size_t *length)
{
	static const char *const starts[] = {
		"PRI ", "\x16\x03", "PRI * HTTP/2.0\r\n\r\n", "\r\n", "POST / HTTP/1.1\r\nHost:",
		"\x80", "PR"
	};
	static const char *const pieces[] = {
		"\r",
		"\n",
		"\r\n",
		"\r\n\r\n",
		" ",
		"\t",
		":",
		"x: y\r\n",
		"HTTP/1.1",
		"/",
		"Content-Length: 3\r\n",
		"Transfer-Encoding: chunked\r\n",
		"\x7f",
		"\x80",
		"\x16",
		"PRI ",
		"0",
		"%",
		".",
		"GET / HTTP/1.1\r\n",
		",",
		";",
		"#",
		"Host: a\r\n",
		"Transfer-Encoding: \r\n",
		"\r\n ",
		"Upgrade: h2c\r\n",
	};
	size_t at = *length ? dice_roll(dice, (uint32_t)*length) : 0, count;
	const char *piece;

	switch (dice_roll(dice, 9)) {
	case 0:
	case 1: /* a byte changes */
		if (*length)
			(*text)[at] = (char)dice_roll(dice, 256);
		return;
	case 2:
	case 3: /* bytes go */
		count = 1 + dice_roll(dice, dice_roll(dice, 4) ? 2 : 20);
		if (count > *length - at)
			count = *length - at;
		memmove(*text + at, *text + at + count, *length - at - count);
		*length -= count;
		return;
	case 4:
		piece = DICE_PICK(dice, starts);
		random_http_insert(text, length, 0, piece, strlen(piece));
		return;
	case 5:
		random_http_insert(text, length, at, "", 1);
		return;
	default:
		piece = DICE_PICK(dice, pieces);
		random_http_insert(text, length, at, piece, strlen(piece));
		return;
	}
}

/* What a client sends on one connection; to be freed. */
static inline char *random_http_stream(struct dice *dice, size_t *length)
{
	uint32_t requests = 1 + dice_roll(dice, 3);
	uint32_t damages = dice_roll(dice, 5) < 3 ? 0 : 1 + dice_roll(dice, 3);
	char *text;
	FILE *out = open_memstream(&text, length);

	if (!out)
		abort();
	while (requests--)
		random_http_request(dice, out);
	fclose(out);
	while (damages--)
		random_http_damage(dice, &text, length);
	if (!dice_roll(dice, 12) && *length)
		*length -= dice_roll(dice, (uint32_t)*length);
	return text;
}

#endif /* WEFT_TESTS_UNIT_RANDOM_HTTP_H */
