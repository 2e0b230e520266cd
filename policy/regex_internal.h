/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the regex compiler share:
 *
 *   regex_parse, regex_group, regex_escape, regex_class   pattern -> tree
 *   regex_runes, regex_unicode                            sets of code points
 *   regex_utf8                                            code points -> bytes
 *   regex_nfa                                             trees -> one NFA
 *   regex_dfa, regex_closure                              NFA -> DFA, by subsets
 *   regex_minimise                                        -> the minimal DFA
 *   regex_intern                                          equal things get one number
 *   regex_set                                             the interface, budgets, blame
 */
#ifndef WEFT_POLICY_REGEX_INTERNAL_H
#define WEFT_POLICY_REGEX_INTERNAL_H

#include "policy/regex.h"

enum { RUNE_MAX = 0x10ffff, RUNE_SELF = 0x80 /* below: one byte in UTF-8 */ };

/* What has been spent of a budget. */
struct regex_meter {
	struct regex_budget budget;
	uint64_t steps;
	size_t memory;	     /* of what lives as long as the set */
	const char *refusal; /* what ran out, as a phrase; NULL while nothing has */
};

/* False when the budget is exceeded, then and from then on. */
bool regex_meter_spend(struct regex_meter *meter, uint64_t steps);
/* The same for memory: `transient` bytes besides those counted in the meter. */
bool regex_meter_memory(struct regex_meter *meter, size_t transient);

/* regex_intern.c: byte strings numbered from 0 in the order of their first appearance */
struct regex_intern {
	unsigned char *bytes;
	size_t byte_count, byte_capacity;
	struct regex_intern_entry {
		size_t offset;
		uint32_t size, hash;
	} * entries;
	size_t count, capacity;
	uint32_t *slots; /* entry + 1; 0 = free */
	size_t slot_count;
};

/* Sizes are multiples of 4 bytes. */
uint32_t regex_intern(struct regex_intern *table, const void *key, size_t size);
/* Valid until the next regex_intern(). */
const void *regex_intern_get(const struct regex_intern *table, uint32_t index, size_t *size);
size_t regex_intern_size(const struct regex_intern *table);
void regex_intern_clear(struct regex_intern *table);

/* regex_runes.c: sets of code points */
struct rune_range {
	uint32_t low, high;
};

struct rune_set {
	struct rune_range *items;
	size_t count, capacity;
};

void rune_set_add(struct rune_set *set, uint32_t low, uint32_t high);
/* With everything that differs only in case. Returns how many ranges that took. */
size_t rune_set_add_folded(struct rune_set *set, uint32_t low, uint32_t high);
/* Sorted, and neither overlapping nor touching. */
void rune_set_normalise(struct rune_set *set);
void rune_set_negate(struct rune_set *set);
void rune_set_clear(struct rune_set *set);

/* regex_unicode.c, with the tables that scripts/unicode-tables.pl makes */
/*
 * low..high differ only in case from the code point that is `delta` further. Delta 0: they are
 * pairs, low and low + 1, low + 2 and low + 3, ...
 */
struct rune_fold {
	uint32_t low, high;
	int32_t delta;
};

/* Code points by a property: runs of the same value, first code point << 8 | value. */
struct rune_property {
	const uint32_t *runs;
	size_t run_count;
	const char *const *names; /* by value; "" for what has no name */
	size_t name_count;
	bool grouped; /* by the first letter of their names */
};

extern const struct rune_property regex_unicode_categories, regex_unicode_scripts;
extern const struct rune_fold regex_unicode_folds[];
extern const size_t regex_unicode_fold_count;

/* Adds the category, group of categories, or script of that name. False: there is none. */
bool regex_unicode_add(struct rune_set *set, const char *name, size_t length);
/* "Lu"; "" for what is not assigned. */
const char *regex_unicode_category(uint32_t rune);
/* The next code point in the circle of those that differ only in case; itself if there is none. */
uint32_t regex_unicode_fold(uint32_t rune);
/* The first entry of regex_unicode_folds with high >= rune. */
size_t regex_unicode_fold_find(uint32_t rune);

/* The tree. Nodes are numbered; children are linked backwards, as the NFA is built. */
enum regex_node_kind {
	NODE_RUNE,   /* value */
	NODE_CLASS,  /* value: index in classes */
	NODE_ASSERT, /* value: enum regex_assertion */
	NODE_CONCAT,
	NODE_ALTERNATE,
	NODE_REPEAT, /* min, max */
};

enum { NODE_NONE = UINT32_MAX, REPEAT_INFINITE = -1 };

enum regex_assertion {
	ASSERT_TEXT_BEGIN,
	ASSERT_LINE_BEGIN,
	ASSERT_TEXT_END,
	ASSERT_LINE_END,
	ASSERT_WORD_BOUNDARY,
	ASSERT_NO_WORD_BOUNDARY,
};

struct regex_node {
	enum regex_node_kind kind;
	uint32_t value;
	uint32_t last;	   /* child, NODE_NONE without */
	uint32_t previous; /* sibling, NODE_NONE for the first */
	int min, max;
	uint16_t depth;
	uint16_t product; /* of the repetitions on the deepest way, as RE2 counts them */
};

struct regex_tree {
	struct regex_node *nodes;
	size_t count, capacity;
	struct rune_set *classes;
	size_t class_count, class_capacity;
	uint32_t root;
};

void regex_tree_clear(struct regex_tree *tree);

enum regex_flag {
	FLAG_FOLD_CASE = 1,  /* (?i) */
	FLAG_MULTI_LINE = 2, /* (?m) */
	FLAG_DOT_ALL = 4,    /* (?s) */
	FLAG_UNGREEDY = 8,   /* (?U): without effect on whether something matches */
};

/* An open group, and what has been read of it. */
struct regex_frame {
	size_t offset;	      /* of its parenthesis */
	unsigned int flags;   /* to return to */
	uint32_t alternative; /* the last finished one */
	uint32_t item;	      /* last of the alternative being read */
	unsigned int alternatives, items;
};

struct regex_parser {
	const uint8_t *text;
	size_t length, at;
	unsigned int flags;
	bool after_repeat, repeated; /* the last token was a repetition; this one is */
	struct regex_tree *tree;
	struct regex_meter *meter;
	struct regex_error *error;
	struct regex_frame *frames;
	size_t frame_count, frame_capacity;
	struct regex_name {
		size_t offset, length;
	} * names;
	size_t name_count, name_capacity;
};

/* regex_parse.c */
/* 0, -EINVAL or -E2BIG with error filled in. */
int regex_parse(const char *pattern, size_t length, struct regex_tree *tree,
		struct regex_meter *meter, struct regex_error *error);
/* All of these: 0, or a negative errno with the parser's error filled in. */
int regex_refuse(struct regex_parser *parser, size_t offset, const char *message, ...)
	__attribute__((format(printf, 3, 4)));
int regex_exceed(struct regex_parser *parser);
int regex_add_node(struct regex_parser *parser, struct regex_node node);
int regex_add_rune(struct regex_parser *parser, uint32_t rune);
int regex_add_assertion(struct regex_parser *parser, enum regex_assertion assertion);
/* Takes over what the set holds, also when it fails. */
int regex_add_class(struct regex_parser *parser, struct rune_set *set);
int regex_open_group(struct regex_parser *parser, size_t offset);
/* The code point at parser->at, which moves on. */
int regex_read_rune(struct regex_parser *parser, uint32_t *rune);

static inline size_t regex_left(const struct regex_parser *parser)
{
	return parser->length - parser->at;
}

/* Is `text` next? */
bool regex_sees(const struct regex_parser *parser, const char *text);

/* regex_group.c: at "(?" */
int regex_parse_question(struct regex_parser *parser);

/* regex_escape.c */
/* At a backslash: a character. */
int regex_parse_escaped_rune(struct regex_parser *parser, uint32_t *rune);
/* At a backslash: \d or \pL. 1 = added to the set, 0 = something else is there, or an error. */
int regex_parse_escaped_class(struct regex_parser *parser, struct rune_set *set);
/* Adds sorted ranges, or all others, with the parser's flags. */
int regex_add_group(struct regex_parser *parser, struct rune_set *set,
		    const struct rune_range *ranges, size_t count, bool negated);
/* At a backslash outside of a class. */
int regex_parse_escape(struct regex_parser *parser);

/* regex_class.c: at "[" */
int regex_parse_class(struct regex_parser *parser);

/* regex_utf8.c */
/* Length of the first code point, 0 when the bytes are no UTF-8. */
size_t regex_utf8_decode(const uint8_t *text, size_t length, uint32_t *rune);
size_t regex_utf8_encode(uint32_t rune, uint8_t bytes[4]);

/* Leads to node `next` of the same graph, or out of it. */
enum { BYTE_GRAPH_OUT = UINT32_MAX };
struct byte_edge {
	uint8_t low, high;
	uint8_t unused[2]; /* edges are compared as bytes */
	uint32_t next;
};

/* The UTF-8 of a set of code points as a minimal graph. Node n is entry n, a list of edges. */
struct byte_graph {
	struct regex_intern nodes;
	uint32_t root;
};

bool regex_utf8_graph(const struct rune_set *set, struct byte_graph *graph,
		      struct regex_meter *meter);

/* The NFA: every state has a pattern, so that a pattern that matched can be dropped. */
enum nfa_kind {
	NFA_BYTES,
	NFA_SPLIT,  /* to both */
	NFA_ASSERT, /* to `out` if the assertion holds */
	NFA_MATCH,  /* and whatever follows */
	NFA_LOOP, /* start of a search: to `out`, and to `other`, which reads a byte and returns */
};

struct nfa_state {
	uint8_t kind;
	uint8_t assertion;
	uint16_t pattern;
	union {
		struct {
			uint32_t first, count; /* in edges */
		};
		struct {
			uint32_t out, other;
		};
	};
};

struct nfa_edge {
	uint8_t low, high;
	uint16_t span; /* number of (low, high) among all such, see regex_dfa.c */
	uint32_t next;
};

struct regex_nfa {
	struct nfa_state *states;
	size_t count, capacity;
	struct nfa_edge *edges;
	size_t edge_count, edge_capacity;
	uint32_t *starts; /* by pattern */
	size_t start_count, start_capacity;
	bool sees_words, sees_lines; /* has assertions about them */
};

/* Adds a pattern. False when the budget is exceeded; the NFA is then as before. */
bool regex_nfa_add(struct regex_nfa *nfa, const struct regex_tree *tree, enum regex_mode mode,
		   struct regex_meter *meter);
void regex_nfa_clear(struct regex_nfa *nfa);

/* regex_closure.c */
/* What is known about the byte before a position, or the one after it. */
enum regex_around {
	AROUND_EDGE, /* there is none: begin or end of the text */
	AROUND_LINE, /* a newline */
	AROUND_WORD,
	AROUND_OTHER,
	AROUND_COUNT,
	AROUND_UNKNOWN = AROUND_COUNT, /* after: assertions about it stay open */
};

enum regex_around regex_around(const struct regex_nfa *nfa, uint8_t byte);

/*
 * A search begins anew behind every byte, so that all its first states would be in every set.
 * A loop stands for them where they do not depend on the byte before.
 */
struct regex_loop {
	bool stands; /* for `first` */
	uint32_t *first;
	size_t count;
};

/* The states reached from others without reading a byte. */
struct regex_closure {
	const struct regex_nfa *nfa;
	struct regex_meter *meter;
	struct regex_loop *loops; /* by pattern */
	uint32_t *marks;	  /* by state: the round in which it was seen */
	uint32_t round;
	uint32_t *stack;
	uint32_t *found; /* bytes, open assertions, matches, loops; sorted by closure_finish() */
	size_t found_count;
	bool depends; /* on what is around, other than the text's begin */
	bool open;    /* there are open assertions */
	struct regex_accept matched;
};

void closure_init(struct regex_closure *closure, const struct regex_nfa *nfa,
		  struct regex_meter *meter);
void closure_free(struct regex_closure *closure);
void closure_begin(struct regex_closure *closure);
void closure_add(struct regex_closure *closure, uint32_t state, enum regex_around before,
		 enum regex_around after);
/* Drops what cannot matter any more, and sorts. */
void closure_finish(struct regex_closure *closure);

/* A DFA before it is minimised; state 0 is dead. */
struct raw_dfa {
	uint8_t classes[256];
	uint32_t class_count;
	uint32_t *next; /* [state * class_count + class] */
	size_t next_capacity;
	uint32_t *accept; /* by state: number in sets */
	size_t accept_capacity;
	uint32_t count, start;
	struct regex_intern sets; /* of struct regex_accept */
};

/* All of these: false when the budget is exceeded. */
bool regex_dfa_build(struct regex_nfa *nfa, struct raw_dfa *raw, struct regex_meter *meter);
void raw_dfa_clear(struct raw_dfa *raw);
/* block[state] = its block, blocks being numbered without gaps. Returns their count in `count`. */
bool regex_minimise(const struct raw_dfa *raw, uint32_t *block, uint32_t *count,
		    struct regex_meter *meter);
/* regex_number.c: the minimal DFA, numbered canonically. */
void regex_number(const struct raw_dfa *raw, const uint32_t *block, uint32_t count,
		  struct regex_dfa *dfa);

#endif /* WEFT_POLICY_REGEX_INTERNAL_H */
