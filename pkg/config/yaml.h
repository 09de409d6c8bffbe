/*
 * yaml.h - a YAML document as a tree in which every key and value knows its place.
 *
 * The tree is libfyaml's event stream, kept: text stays text (what a number or
 * a truth value is decides the settings table), and only what a configuration
 * needs is there.  Anchors, aliases, tags, merge keys, keys that are no plain
 * text, several documents, duplicate keys, control characters and bytes that
 * are not UTF-8 are refused, each with its position; so a document can never
 * grow while it is read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

#define YAML_DEPTH_MAX 16      /* nested lists and mappings; the configuration needs 6 */
#define YAML_NODES_MAX 1000000 /* values in one document: a million tags in one file */

struct yaml_pos {
	unsigned line, column; /* from 1; columns are characters */
};

enum yaml_kind {
	YAML_NULL, /* nothing, ~ or null */
	YAML_TEXT,
	YAML_LIST,
	YAML_MAP,
};

struct yaml_node {
	enum yaml_kind kind;
	struct yaml_pos at;     /* of the value; of its key, or its list, where there is no text */
	char *key;              /* in a mapping, else NULL */
	struct yaml_pos key_at; /* as `at` where there is no key */
	char *text;             /* of YAML_TEXT: clean (text_is_clean), may be "" */
	struct yaml_node *first, *next; /* the first child; the next one of the same parent */
	size_t n;                       /* children */
};

/*
 * Fails with ERR_USAGE, "name:line:column: message".  A document without
 * content is an empty mapping.
 */
NODISCARD int yaml_parse(
	const char *name, const char *text, size_t len, struct yaml_node **ret, struct error *err);
void yaml_free(struct yaml_node *node);
DEFINE_CLEANUP(struct yaml_node *, yaml_free);

/* The value of a key; NULL when it is not there, or map is NULL or no mapping. */
const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key);

/* Where a key stands in its mapping; the mapping's own place when it does not. */
struct yaml_pos yaml_key_at(const struct yaml_node *map, const char *key);
/* Where its value stands: for what is wrong with the value and not with its being there. */
struct yaml_pos yaml_value_at(const struct yaml_node *map, const char *key);
/* The first entry of a list in a mapping; the others follow as ->next. */
const struct yaml_node *yaml_first(const struct yaml_node *map, const char *key);

/* What it is, for messages: "a list". */
const char *yaml_kind_text(enum yaml_kind kind);
