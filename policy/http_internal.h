/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the HTTP program compiler share:
 *
 *   http_table      automata over bytes, as grammars are written down
 *   http_product    a grammar and what regexes say about its subject -> one automaton
 *   http_subject    patterns -> automata, over several lanes when they must
 *   http_sections   sections of requests that no rule changes
 *   http_answers    sections of answers
 *   http_words      methods and field names
 *   http_target     request targets
 *   http_values     field values
 *   http_units      rules -> bits, refusals
 *   http_emit       all that -> bytes
 *   http_program    the interface, and the order of things
 */
#ifndef WEFT_POLICY_HTTP_INTERNAL_H
#define WEFT_POLICY_HTTP_INTERNAL_H

#include "bpf/weft_abi.h"
#include "policy/http_program.h"
#include "policy/regex_internal.h"

/*
 * Where a byte leads: a state, or an action when HTTP_ACT is set. HTTP_FEED: the byte belongs to
 * the subject of regexes; HTTP_MARK: the subject may end behind it.
 */
enum http_target {
	HTTP_ACT = 1 << 30,
	HTTP_FEED = 1 << 29,
	HTTP_MARK = 1 << 28,
	HTTP_READ = HTTP_FEED | HTTP_MARK,
	HTTP_NUMBER = HTTP_MARK - 1, /* of the state or action */
};

/* An action before numbers of sets are final. */
struct http_step {
	uint32_t op;	  /* enum weft_http_op */
	uint32_t section; /* where it goes on; HTTP_HERE: in the same section */
	uint32_t state;
	uint32_t arg; /* a number as it is, unless has_set */
	uint32_t extra;
	uint32_t set;	  /* of http_compiler.sets */
	uint32_t has_set; /* 1: arg is to become `set`, which in a grammar is the subject's */
};

enum { HTTP_HERE = 0xff };

/* An automaton: a grammar, or a section. */
struct http_table {
	uint8_t classes[256]; /* of a grammar, until it is finished: each byte its own */
	uint32_t class_count;
	uint32_t state_count, state_capacity;
	uint32_t *next;		     /* [state * class_count + class] -> enum http_target */
	struct regex_intern actions; /* struct http_step */
	uint32_t *sets;		     /* lanes: [state] -> of http_compiler.sets; else NULL */
	uint32_t set_count;	     /* of different sets that it leads to, about */
	uint8_t flags;		     /* enum weft_http_section_flag */
	uint8_t lane;		     /* section, or 0 */
};

/* http_table.c: a grammar is filled state by state; bytes nobody names lead to DENY */
void http_grammar_init(struct http_table *grammar, uint32_t states, enum weft_reason otherwise);
uint32_t http_grammar_add_state(struct http_table *grammar, enum weft_reason otherwise);
void http_on(struct http_table *grammar, uint32_t state, unsigned char byte, uint32_t target);
void http_on_range(struct http_table *grammar, uint32_t state, unsigned char low,
		   unsigned char high, uint32_t target);
void http_on_each(struct http_table *grammar, uint32_t state, const char *bytes, uint32_t target);
void http_on_letter(struct http_table *grammar, uint32_t state, char letter, uint32_t target);
void http_on_token(struct http_table *grammar, uint32_t state, uint32_t target);
/* What a field's value may consist of (RFC 9110, 5.5). */
void http_on_value(struct http_table *grammar, uint32_t state, uint32_t target);
void http_on_hex(struct http_table *grammar, uint32_t state, uint32_t target);
/* The bytes of a text lead through states `from`, from + 1, ...; the last one to `target`. */
void http_on_text(struct http_table *grammar, uint32_t from, const char *text, uint32_t target);
/* Targets that are actions; equal ones are one. */
uint32_t http_do(struct http_table *table, const struct http_step *step);
uint32_t http_deny(struct http_table *table, enum weft_reason reason);
uint32_t http_go(struct http_table *table, enum weft_http_op op, uint32_t section, uint32_t arg,
		 uint32_t extra);
const struct http_step *http_table_action(const struct http_table *table, uint32_t number);
/* One class for all bytes that lead to the same in every state. */
void http_grammar_finish(struct http_table *grammar);
/* The same, when the table is to be a section: it does not care what belongs to a subject. */
void http_table_finish(struct http_table *table);
/* Units of WEFT_HTTP_ROW bytes from the row of one state to the next, by which numbers count. */
uint32_t http_table_stride(const struct http_table *table);
/* Bytes in a program. */
size_t http_table_size(const struct http_table *table);
/* As weft_http_section.skip. */
uint16_t http_table_skip(const struct http_table *table);
void http_table_clear(struct http_table *table);

/* http_product.c */
struct http_reader { /* what reads a subject */
	const struct regex_dfa *dfa;
	const uint32_t *sets; /* [dfa->sets index] -> of http_compiler.sets */
};

/*
 * The section that does what the grammar says and knows of every subject which set it is in.
 * States below `roots` of the grammar, at the start of a subject, are the same states of the
 * section. A lane has a set per state instead of actions. False: the section would take more than
 * `size` bytes or have too many states.
 */
bool http_product(const struct http_table *grammar, uint32_t roots,
		  const struct http_reader *reader, bool lane, size_t size,
		  struct http_table *table);
/* The same without regexes: no subject is in any set, but in `set`. */
void http_product_plain(const struct http_table *grammar, uint32_t roots, uint32_t set,
			struct http_table *table);

struct http_condition {	  /* of a rule: one of its units */
	const char *name; /* lower case */
	const char *value_regex;
};

/* A rule in the making. */
struct http_entry {
	const struct http_rule *rule;
	bool refused;
	struct http_condition *conditions; /* without duplicates */
	size_t condition_count;
	uint16_t first; /* bit */
	uint16_t units; /* at least 1; the separator, if any, follows */
};

struct http_compiler {
	const struct http_rule *rules;
	struct http_program *program; /* refusals */
	size_t refusal_capacity;
	struct http_entry *entries;
	size_t entry_count;
	struct regex_intern sets; /* struct weft_http_set; 0 is empty */
	uint64_t steps;		  /* that regexes may still take */
	size_t size;		  /* bytes that sections may still take */
	struct http_table sections[WEFT_HTTP_SECTIONS_MAX];
	unsigned int section_count;
};

/* http_units.c */
uint32_t http_set_number(struct http_compiler *compiler, const struct weft_http_set *set);
void http_set_add_rule(const struct http_entry *entry, struct weft_http_set *set);
void http_set_add_bit(struct weft_http_set *set, unsigned int bit);
void http_refuse(struct http_compiler *compiler, size_t rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void http_units_assign(struct http_compiler *compiler);
bool http_rule_names_method(const struct http_match *match, const char *method);

/* http_subject.c: what rules say about one kind of subject */
struct http_pattern {
	const char *text;
	enum regex_mode mode;
	struct weft_http_set units;  /* that a match is good for */
	struct http_rule_mask rules; /* that need it */
};

struct http_subject {
	const struct http_table *grammar;
	const struct http_table *lane_grammar;
	uint32_t roots;		       /* see http_product() */
	struct weft_http_set always;   /* units that every subject is good for */
	struct http_pattern *patterns; /* without duplicates */
	size_t pattern_count, pattern_capacity;
	size_t size; /* bytes that its sections may take */
};

void http_subject_add(struct http_subject *subject, const char *text, enum regex_mode mode,
		      const struct http_entry *entry, size_t rule, unsigned int unit,
		      unsigned int units);
/* Makes the section, and lanes; refuses what does not fit. */
void http_subject_compile(struct http_compiler *compiler, const struct http_subject *subject,
			  unsigned int section, const char *what);
void http_subject_clear(struct http_subject *subject);

/* http_sections.c, http_answers.c */
void http_sections_fixed(struct http_compiler *compiler);
void http_sections_answers(struct http_compiler *compiler);

/* http_words.c */
struct http_word {
	const char *text;
	struct http_step step; /* at its end */
};

void http_section_method(struct http_compiler *compiler);
void http_section_field(struct http_compiler *compiler, const struct http_word *names,
			size_t count);

/* http_target.c: TARGET, TARGET_CONNECT, AUTHORITY */
enum { HTTP_TARGET_OPTIONS = 1 }; /* the state of TARGET in which "*" is a target, too */
void http_sections_target(struct http_compiler *compiler, bool ambiguous_paths);

/* http_values.c: the values of framing and of rules, and FIELD, which leads to them */
void http_sections_values(struct http_compiler *compiler);

/* http_emit.c. False when it would be larger than WEFT_HTTP_PROGRAM_MAX. */
bool http_emit(struct http_compiler *compiler, const struct http_rule_mask *masks,
	       size_t mask_count, uint32_t max_head, struct http_program *program);

#endif /* WEFT_POLICY_HTTP_INTERNAL_H */
