// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include "objects.h"

static void check_text(const char *text, size_t length, const char *origin, const char *expected)
{
	struct findings findings = { 0 };
	struct json_object *items = NULL;

	if (manifest_read(text, length, origin, &items, &findings))
		fail_msg("%s\n%s", findings.items[0].message, text);
	assert_int_equal(findings.count, 0);
	assert_string_equal(json_object_to_json_string_ext(items, JSON_C_TO_STRING_PLAIN),
			    expected);
	json_object_put(items);
}

static void check(const char *text, const char *expected)
{
	check_text(text, strlen(text), "test.yaml", expected);
}

/* The text is refused and the message contains `expected`. */
static void refuse_text(const char *text, size_t length, const char *origin, const char *expected)
{
	struct json_object *items = (struct json_object *)&items;
	struct findings findings = { 0 };

	if (!manifest_read(text, length, origin, &items, &findings))
		fail_msg("accepted: %.200s\n%s", text, json_object_to_json_string(items));
	assert_ptr_equal(items, &items);
	assert_int_equal(findings.count, 1);
	assert_string_equal(findings.items[0].reason, "InvalidManifest");
	assert_string_equal(findings.items[0].origin, origin ? origin : "");
	if (!strstr(findings.items[0].message, expected))
		fail_msg("\"%s\" is not in \"%s\"", expected, findings.items[0].message);
	findings_clear(&findings);
}

static void refuse(const char *text, const char *expected)
{
	refuse_text(text, strlen(text), "test.yaml", expected);
}

static void test_documents(void **state)
{
	(void)state;
	check("", "[]");
	check("\n\n", "[]");
	check("# nothing\n", "[]");
	check("---\n---\n# nothing\n---\n...\n", "[]");
	check("a: b", "[{\"a\":\"b\"}]");
	check("---\na: b\n---\n---\nc: d\n...\n", "[{\"a\":\"b\"},{\"c\":\"d\"}]");
	check("%YAML 1.1\n---\na: b\n", "[{\"a\":\"b\"}]");
	check("~", "[]");
	check("5", "[5]");
	check("- a\n- b\n", "[[\"a\",\"b\"]]");
}

static void test_scalars(void **state)
{
	(void)state;
	check("[true, True, TRUE, yes, Yes, YES, on, On, ON, y, Y]",
	      "[[true,true,true,true,true,true,true,true,true,true,true]]");
	check("[false, False, FALSE, no, No, NO, off, Off, OFF, n, N]",
	      "[[false,false,false,false,false,false,false,false,false,false,false]]");
	check("[null, Null, NULL, ~, ]", "[[null,null,null,null]]");
	check("a:\nb: ''\n", "[{\"a\":null,\"b\":\"\"}]");
	check("[tRUE, yEs, nULL, oFF]", "[[\"tRUE\",\"yEs\",\"nULL\",\"oFF\"]]");
	check("['true', \"no\", '1', \"~\"]", "[[\"true\",\"no\",\"1\",\"~\"]]");
	check("a: |\n  1\n", "[{\"a\":\"1\\n\"}]");
	check("a: >-\n  true\n", "[{\"a\":\"true\"}]");
	check("[0, 1, -1, +1, 017, 0o17, 0x1F, 0b101, 1_000, -0x10]",
	      "[[0,1,-1,1,15,15,31,5,1000,-16]]");
	check("[9223372036854775807, -9223372036854775808, 18446744073709551615]",
	      "[[9223372036854775807,-9223372036854775808,18446744073709551615]]");
	check("[1.5, .5, -.5, 1., 1e3, 1.5e1, 08, 8080.0, 0.1]",
	      "[[1.5,0.5,-0.5,1,1000,15,8,8080,0.1]]");
	check("[1e, 0x, 1.2.3, 10.0.0.1, 12:30, 1a, -, +, '.', -a, 1e999, 0b2]",
	      "[[\"1e\",\"0x\",\"1.2.3\",\"10.0.0.1\",\"12:30\",\"1a\",\"-\",\"+\",\".\",\"-a\","
	      "\"1e999\",\"0b2\"]]");
	check("[2024-01-01, 2024-01-01T00:00:00Z]", "[[\"2024-01-01\",\"2024-01-01T00:00:00Z\"]]");
	check("[!!str 1, ! true, !!int '7', !!float 1, !!bool 'yes', !!null '']",
	      "[[\"1\",\"true\",7,1,true,null]]");
	check("[\"a\\0b\"]", "[[\"a\\u0000b\"]]");
	refuse("a: .nan", "line 1, column 4: JSON has no such number");
	refuse("a: -.inf", "JSON has no such number");
	refuse("a: !!int x", "tag");
	refuse("a: !mine x", "tag");
	refuse("a: !!binary aGk=", "tag");
	refuse("a: !!set {x}", "tag");
}

static void test_keys(void **state)
{
	(void)state;
	check("'1': a\n\"true\": b\n", "[{\"1\":\"a\",\"true\":\"b\"}]");
	check("a b: c", "[{\"a b\":\"c\"}]");
	refuse("1: a", "line 1, column 1: a key must be a string: quote \"1\"");
	refuse("a: b\ntrue: c", "line 2, column 1: a key must be a string");
	refuse("y: c", "a key must be a string");
	refuse("~: c", "a key must be a string");
	refuse(": c", "line 1");
	refuse("{a: 1, 2.5: c}", "a key must be a string");
	refuse("? [a]\n: c", "a key must be a string");
	refuse("a: &x b\n*x : c", "a key must be a string");
	refuse("\"a\\0b\": c", "NUL");
	refuse("a: 1\nb: 2\na: 3\n", "line 3, column 1: this map has the same key before");
	refuse("x: {a: 1, 'a': 1}", "line 1, column 11: this map has the same key before");
	check("x: {a: 1}\ny1: {a: 1}", "[{\"x\":{\"a\":1},\"y1\":{\"a\":1}}]");
}

static void test_anchors(void **state)
{
	(void)state;
	check("a: &x {k: [1]}\nb: *x\n", "[{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]}}]");
	check("a: &x 1\nb: &x 2\nc: *x\n", "[{\"a\":1,\"b\":2,\"c\":2}]");
	check("a: &x [&x 1, *x]\nc: *x\n", "[{\"a\":[1,1],\"c\":1}]");
	check("base: &b {k: 1, l: 2}\nmap:\n  l: 3\n  <<: *b\n",
	      "[{\"base\":{\"k\":1,\"l\":2},\"map\":{\"l\":3,\"k\":1}}]");
	check("map:\n  <<: [{k: 1}, {k: 2, l: 2}]\n  m: 3\n",
	      "[{\"map\":{\"m\":3,\"k\":1,\"l\":2}}]");
	check("'<<': 1", "[{\"<<\":1}]");
	check("a: <<", "[{\"a\":\"<<\"}]");
	refuse("<<: 1", "<< needs a map");
	refuse("<<: [{a: 1}, 2]", "<< needs a map");
	refuse("a: *x", "line 1, column 4: there is no such anchor");
	refuse("a: &x [*x]", "contains itself");
	refuse("a: &x 1\n---\nb: *x", "there is no such anchor");
}

static void test_broken_yaml(void **state)
{
	static const char utf16[] = "\xff\xfe"
				    "a\0:\0 \0b\0";
	static const char nul[] = "a: b\n\0c: d\n";

	(void)state;
	refuse("a: b\n c: d\n", "line 2, column 3");
	refuse("a: [1, 2", "line 2, column 1");
	refuse("a: 'b", "unexpected end of stream while scanning a quoted scalar");
	refuse("a: b: c", "line 1, column 5");
	refuse("\ta: b", "line 1");
	refuse("a: b\n\xff\xfe: c\n", "line 2, column 1");
	refuse("a: \x01", "line 1, column 4");
	refuse("%YAML 3.0\n---\na: b", "incompatible YAML document");
	check_text(utf16, sizeof(utf16) - 1, "x.yaml", "[{\"a\":\"b\"}]");
	check("\xef\xbb\xbf"
	      "a: b",
	      "[{\"a\":\"b\"}]");
	check("a: \xc3\xa4", "[{\"a\":\"\xc3\xa4\"}]");
	refuse_text(nul, sizeof(nul) - 1, "x.yaml", "line 2, column 1");
}

/* 4^levels values from a short text */
static char *bomb(int levels)
{
	char *text = calloc(1, 200 * (size_t)(levels + 1)), *end = text;
	int i;

	end += sprintf(end, "a0: &a0 [1, 1, 1, 1]\n");
	for (i = 1; i <= levels; i++)
		end += sprintf(end, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1,
			       i - 1, i - 1);
	return text;
}

static void test_limits(void **state)
{
	static char big[MANIFEST_SIZE_MAX + 1];
	struct findings findings = { 0 };
	struct json_object *items;
	char *text, nested[512], expected[256];

	(void)state;
	memset(big, ' ', sizeof(big));
	check_text(big, MANIFEST_SIZE_MAX, NULL, "[]");
	refuse_text(big, sizeof(big), NULL, "the file is larger than 8388608 bytes");

	text = bomb(5);
	assert_int_equal(manifest_read(text, strlen(text), NULL, &items, &findings), 0);
	json_object_put(items);
	free(text);
	text = bomb(30);
	refuse(text, "1000000");
	free(text);

	memset(nested, 0, sizeof(nested));
	memset(nested, '[', 64);
	memset(nested + 64, ']', 64);
	snprintf(expected, sizeof(expected), "[%.128s]", nested);
	check_text(nested, 128, "x.json", expected);
	check_text(nested, 128, "x.yaml", expected);
	memset(nested, '[', 65);
	memset(nested + 65, ']', 65);
	refuse_text(nested, 130, "x.json", "column 65: maps and lists are nested deeper than 64");
	refuse_text(nested, 130, "x.yaml", "nested deeper than 64");
	nested[0] = '-';
	nested[1] = ' ';
	refuse_text(nested, 130, "x.yaml", "");
	memset(big, '[', 100000);
	refuse_text(big, 100000, "x.json", "nested deeper than 64");
	refuse_text(big, 100000, "x.yaml", "nested deeper than 64");
	/* 40 within 40 */
	memset(nested, 0, sizeof(nested));
	strcpy(nested, "a: &a ");
	memset(nested + 6, '[', 40);
	memset(nested + 46, ']', 40);
	strcat(nested, "\nb: ");
	memset(nested + strlen(nested), '[', 40);
	strcat(nested, "*a ");
	memset(nested + strlen(nested), ']', 40);
	refuse(nested, "line 2, column 44: maps and lists are nested deeper than 64");
}

static void test_many_nodes(void **state)
{
	size_t size = 2200000, i;
	char *text = malloc(size);

	(void)state;
	for (i = 0; i < size; i += 2) {
		text[i] = '1';
		text[i + 1] = ',';
	}
	text[0] = '[';
	text[1] = ' ';
	text[size - 1] = ']';
	refuse_text(text, size, "x.json", "more than 1000000");
	refuse_text(text, size, "x.yaml", "more than 1000000");
	free(text);
}

static void test_json(void **state)
{
	(void)state;
	check("{\"a\": [1, 1.50, true, null, \"\\u00e4\"]}",
	      "[{\"a\":[1,1.50,true,null,\"\xc3\xa4\"]}]");
	check(" \n{\"a\":\t1}\n{\"b\":2}\n", "[{\"a\":1},{\"b\":2}]");
	check("{a: b, c: [d, ]}", "[{\"a\":\"b\",\"c\":[\"d\"]}]");
	check("\xef\xbb\xbf{\"a\":1}", "[{\"a\":1}]");
	check_text("", 0, "x.json", "[]");
	check_text("{\"<<\": {\"a\": 1}}", 16, "x.json", "[{\"<<\":{\"a\":1}}]");
	refuse_text("{a: 1}", 6, "x.json", "line 1, column 2");
	refuse_text("a: 1", 4, "x.json", "line 1, column 1: expected an object");
	refuse_text("{\"a\": 1,}", 9, "x.json", "line 1");
	refuse_text("{\"a\": 1} x", 10, "x.json", "line 1, column 10");
	refuse_text("{\"a\": 1", 7, "x.json", "the file ends too early");
	refuse_text("{\"a\": \"1", 8, "x.json", "the string does not end");
	refuse_text("{\"a\":\n NaN}", 11, "x.json", "line 2, column 2: this is no value");
	refuse_text("{\"a\": -Infinity}", 16, "x.json", "this is no value");
	refuse_text("{'a': 1}", 8, "x.json", "line 1, column 2");
	refuse_text("{\"a\": 1 /* x */}", 16, "x.json", "unexpected character");
	refuse_text("{\"a\": \"\n\"}", 10, "x.json", "control character");
	refuse_text("{\"a\": \"\xff\"}", 10, "x.json", "line 1");
	refuse_text("{\"a\": \"\0\"}", 10, "x.json", "control character");
	refuse_text("}", 1, "x.json", "expected an object");
	refuse_text("{\"a\":1,\n\"b\":{\"a\":1},\"\\u0061\":2}", 33, "x.json",
		    "line 2, column 13: this map has the same key before");
	refuse_text("{\"a\\u0000\":1}", 13, "x.json", "NUL");
	refuse("{\"a\":1,\"a\":2}", "this map has the same key before");
}

static void test_lists(void **state)
{
	(void)state;
	check("kind: List\napiVersion: v1\nitems:\n- {kind: A}\n- {kind: B}\n",
	      "[{\"kind\":\"A\"},{\"kind\":\"B\"}]");
	check("{kind: List, items: [{kind: List, items: [{kind: A}]}, {kind: B}]}",
	      "[{\"kind\":\"A\"},{\"kind\":\"B\"}]");
	check("kind: List", "[]");
	check("kind: List\nitems:", "[]");
	check("{kind: PodList, apiVersion: v1, items: [{metadata: {name: a}}]}",
	      "[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}]");
	check("{kind: PodList, apiVersion: v1, items: [{kind: Pod, apiVersion: v2}]}",
	      "[{\"kind\":\"Pod\",\"apiVersion\":\"v2\"}]");
	check("{kind: AllowList, spec: x}", "[{\"kind\":\"AllowList\",\"spec\":\"x\"}]");
	check("{kind: FooList, items: x}", "[{\"kind\":\"FooList\",\"items\":\"x\"}]");
	check("{kind: [List], items: []}", "[{\"kind\":[\"List\"],\"items\":[]}]");
	check("{kind: List, items: [5, null]}", "[5,null]");
	check("{kind: List, items: [{kind: List, items: [{kind: List, items: [{kind: A}]}]}]}",
	      "[{\"kind\":\"A\"}]");
	refuse("{kind: List, items: [{kind: List, items: [{kind: List, items: [{kind: List, items: "
	       "[{kind: List, items: [{kind: List, items: [{kind: List, items: [{kind: List, items: "
	       "[{kind: List, items: []}]}]}]}]}]}]}]}]}",
	       "lists are nested deeper than 8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documents),   cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_keys),	    cmocka_unit_test(test_anchors),
		cmocka_unit_test(test_broken_yaml), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many_nodes),  cmocka_unit_test(test_json),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
