/*
 * yaml.c - libfyaml's events as a tree.
 *
 * Events and not libfyaml's own documents, because those resolve aliases, keep tokens
 * instead of text, and have no place for a value that is not there.  The recursion is as
 * deep as YAML_DEPTH_MAX, whatever the document is.
 */
#include "config/yaml.h"

#include <libfyaml.h>

#include "util/map.h"
#include "util/mem.h"
#include "util/parse.h"
#include "util/utf8.h"

struct loader {
	const char *name;
	struct fy_parser *parser;
	struct fy_diag *diag;
	size_t n_nodes;
};

static int fail(const struct loader *l, struct yaml_pos at, struct error *err, const char *what)
{
	return error_set(err, ERR_USAGE, "%s:%u:%u: %s", l->name, at.line, at.column, what);
}

/* libfyaml prints what it finds wrong; here it is collected instead (fail_syntax). */
static void discard_output(
	struct fy_diag *diag UNUSED, void *user UNUSED, const char *buf UNUSED, size_t len UNUSED)
{
}

/* What libfyaml found wrong first; its lines and columns count from 1 here. */
static int fail_syntax(const struct loader *l, struct error *err)
{
	void *previous = NULL;
	const struct fy_diag_error *e = fy_diag_errors_iterate(l->diag, &previous);

	if (!e || !e->msg)
		return error_set(err, ERR_USAGE, "%s: not YAML", l->name);
	return error_set(err, ERR_USAGE, "%s:%d:%d: %s", l->name, e->line, e->column, e->msg);
}

/*
 * The next event, to be freed; NULL with err filled (ERR_USAGE) for an error of the
 * parser and for an end that comes too early, which look alike to it.
 */
static struct fy_event *next_event(struct loader *l, struct error *err)
{
	struct fy_event *e = fy_parser_parse(l->parser);

	if (!e)
		(void)fail_syntax(l, err);
	return e;
}

/* libfyaml counts from 0, and gives no mark for a value that is not there. */
static struct yaml_pos from_mark(const struct fy_mark *mark, struct yaml_pos otherwise)
{
	if (!mark || mark->line < 0 || mark->column < 0)
		return otherwise;
	return (struct yaml_pos){(unsigned)mark->line + 1, (unsigned)mark->column + 1};
}

/* The marks of quoted text, anchors and aliases are behind their first character. */
static struct yaml_pos one_before(struct yaml_pos at)
{
	if (at.column > 1)
		at.column--;
	return at;
}

/* Where an event begins; `otherwise` for a value that is not there. */
static struct yaml_pos position(struct fy_event *e, struct yaml_pos otherwise)
{
	struct yaml_pos at = from_mark(fy_event_start_mark(e), otherwise);

	if (e->type == FYET_ALIAS)
		return one_before(at);
	if (e->type == FYET_SCALAR && e->scalar.value) {
		enum fy_scalar_style style = fy_token_scalar_style(e->scalar.value);

		if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)
			return one_before(at);
	}
	return at;
}

/* Anchors and tags can stand at any kind of value; none of them means anything here. */
static int refuse_properties(
	const struct loader *l, struct fy_event *e, struct yaml_pos at, struct error *err)
{
	struct fy_token *anchor = fy_event_get_anchor_token(e);
	struct fy_token *tag = fy_event_get_tag_token(e);

	if (e->type == FYET_ALIAS)
		return fail(l, at, err, "aliases (*) are not supported: write the value out");
	if (anchor)
		return fail(l,
			one_before(from_mark(fy_token_start_mark(anchor), at)),
			err,
			"anchors (&) are not supported: write the value out");
	if (tag)
		return fail(l,
			from_mark(fy_token_start_mark(tag), at),
			err,
			"tags (!) are not supported: write the plain value");
	return 0;
}

/* The nulls of YAML 1.2's core schema; quoted they are text. */
static bool is_null(enum fy_scalar_style style, const char *text)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	if (style != FYSS_PLAIN && style != FYSS_ANY)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(nulls); i++) {
		if (strcmp(text, nulls[i]) == 0)
			return true;
	}
	return false;
}

/* The text of a scalar, with *ret_style; the caller frees it. */
static int read_text(const struct loader *l, struct fy_event *e, struct yaml_pos at, char **ret,
	enum fy_scalar_style *ret_style, struct error *err)
{
	struct fy_token *token = e->scalar.value;
	size_t len = 0;
	const char *text = token ? fy_token_get_text(token, &len) : NULL;

	if (!text)
		len = 0;
	if (len > 0 && !text_is_clean(text, len))
		return fail(l, at, err, "control characters and line breaks are not allowed here");
	*ret_style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
	*ret = xstrndup(len > 0 ? text : "", len);
	return 0;
}

static int read_node(struct loader *l, struct fy_event *e, struct yaml_pos parent, unsigned depth,
	struct yaml_node **ret, struct error *err);

/* The items of a list, up to its end. */
static int read_items(struct loader *l, struct yaml_node *list, unsigned depth, struct error *err)
{
	struct yaml_node **tail = &list->first;

	for (;;) {
		struct fy_event *e = next_event(l, err);
		bool end = e && e->type == FYET_SEQUENCE_END;
		int rc = 0;

		if (!e)
			return -ERR_USAGE;
		if (!end)
			rc = read_node(l, e, list->at, depth, tail, err);
		fy_parser_event_free(l->parser, e);
		if (end || rc < 0)
			return rc;
		tail = &(*tail)->next;
		list->n++;
	}
}

/* One key; `seen` has those before it in the same mapping. */
static int read_key(struct loader *l, struct fy_event *e, struct yaml_pos parent, struct map *seen,
	struct yaml_node *ret, struct error *err)
{
	struct yaml_pos at = position(e, parent);
	AUTO_FREE char *key = NULL;
	enum fy_scalar_style style = FYSS_ANY;
	int rc = refuse_properties(l, e, at, err);

	if (rc < 0)
		return rc;
	if (e->type != FYET_SCALAR)
		return fail(l, at, err, "a key must be plain text");
	rc = read_text(l, e, at, &key, &style, err);
	if (rc < 0 || !key)
		return rc;
	if (is_null(style, key))
		return fail(l, at, err, "a key is missing");
	if (map_get_str(seen, key))
		return error_set(err,
			ERR_USAGE,
			"%s:%u:%u: '%.80s' is given twice",
			l->name,
			at.line,
			at.column,
			key);
	map_put_str(seen, key, seen);
	ret->key = steal(&key);
	ret->key_at = at;
	return 0;
}

/* One key with its value, appended at *tail; *ret_end when the mapping ends instead. */
static int read_pair(struct loader *l, const struct yaml_node *map, unsigned depth,
	struct map *seen, struct yaml_node **tail, struct error *err)
{
	AUTO(yaml_freep) struct yaml_node *value = NULL;
	struct yaml_node key = {.key = NULL};
	struct fy_event *e = next_event(l, err);
	int rc;

	if (!e)
		return -ERR_USAGE;
	if (e->type == FYET_MAPPING_END) {
		fy_parser_event_free(l->parser, e);
		return 0;
	}
	rc = read_key(l, e, map->at, seen, &key, err);
	fy_parser_event_free(l->parser, e);
	if (rc == 0) {
		e = next_event(l, err);
		rc = e ? 0 : -ERR_USAGE;
	}
	if (rc == 0) {
		rc = read_node(l, e, key.key_at, depth, &value, err);
		fy_parser_event_free(l->parser, e);
	}
	if (rc < 0 || !value) {
		free(key.key);
		return rc;
	}
	value->key = key.key;
	value->key_at = key.key_at;
	*tail = steal(&value);
	return 0;
}

/* All keys of a mapping, up to its end. */
static int read_pairs(struct loader *l, struct yaml_node *map, unsigned depth, struct error *err)
{
	AUTO(map_freep) struct map *seen = map_new(NULL);
	struct yaml_node **tail = &map->first;

	for (;;) {
		int rc = read_pair(l, map, depth, seen, tail, err);

		if (rc < 0 || !*tail)
			return rc;
		tail = &(*tail)->next;
		map->n++;
	}
}

/* A value that is a null stays the YAML_NULL that a fresh node is. */
static int read_scalar(
	const struct loader *l, struct fy_event *e, struct yaml_node *node, struct error *err)
{
	enum fy_scalar_style style = FYSS_ANY;
	AUTO_FREE char *text = NULL;
	int rc = read_text(l, e, node->at, &text, &style, err);

	if (rc < 0 || !text || is_null(style, text))
		return rc;
	node->kind = YAML_TEXT;
	node->text = steal(&text);
	return 0;
}

/* The value that begins with e, and all below it.  `parent` is its place where it has no text. */
static int read_node(struct loader *l, struct fy_event *e, struct yaml_pos parent, unsigned depth,
	struct yaml_node **ret, struct error *err)
{
	struct yaml_pos at = position(e, parent);
	AUTO(yaml_freep) struct yaml_node *node = NULL;
	int rc = refuse_properties(l, e, at, err);

	if (rc < 0)
		return rc;
	if (depth >= YAML_DEPTH_MAX)
		return fail(l, at, err, "nested too deep");
	if (++l->n_nodes > YAML_NODES_MAX)
		return fail(l, at, err, "more values than any configuration needs");
	node = xcalloc(1, sizeof(*node));
	node->at = node->key_at = at;
	if (e->type == FYET_SCALAR) {
		rc = read_scalar(l, e, node, err);
	} else if (e->type == FYET_SEQUENCE_START) {
		node->kind = YAML_LIST;
		rc = read_items(l, node, depth + 1, err);
	} else if (e->type == FYET_MAPPING_START) {
		node->kind = YAML_MAP;
		rc = read_pairs(l, node, depth + 1, err);
	} else {
		rc = fail(l, at, err, "a value is missing");
	}
	if (rc == 0)
		*ret = steal(&node);
	return rc;
}

/* The events around the document: start of the stream, one document, end of the stream. */
static int read_stream(struct loader *l, struct yaml_node **ret, struct error *err)
{
	static const struct yaml_pos top = {1, 1};
	AUTO(yaml_freep) struct yaml_node *root = NULL;

	for (;;) {
		struct fy_event *e = next_event(l, err);
		enum fy_event_type type;
		int rc = 0;

		if (!e)
			return -ERR_USAGE;
		type = e->type;
		if (type == FYET_DOCUMENT_START && root)
			rc = fail(l, position(e, top), err, "a second document: one is enough");
		else if (type != FYET_STREAM_START && type != FYET_STREAM_END &&
			 type != FYET_DOCUMENT_START && type != FYET_DOCUMENT_END)
			rc = read_node(l, e, top, 0, &root, err);
		fy_parser_event_free(l->parser, e);
		if (rc < 0)
			return rc;
		if (type == FYET_STREAM_END)
			break;
	}
	/* Nothing, or only comments: a mapping of which nothing is known but its place. */
	if (!root || root->kind == YAML_NULL) {
		yaml_free(root);
		root = xcalloc(1, sizeof(*root));
		root->kind = YAML_MAP;
		root->at = root->key_at = top;
	}
	*ret = steal(&root);
	return 0;
}

/* libfyaml takes bytes that are not UTF-8 for the end of a value: they are found before it. */
static int check_bytes(const struct loader *l, const char *text, size_t len, struct error *err)
{
	struct yaml_pos at = {1, 1};

	while (len > 0) {
		uint32_t c = 0;
		size_t n = utf8_decode(text, len, &c);

		if (n == 0)
			return fail(l, at, err, "not UTF-8");
		if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			return fail(l, at, err, "a control character");
		text += n;
		len -= n;
		at.column++;
		if (c == '\n') {
			at.line++;
			at.column = 1;
		}
	}
	return 0;
}

int yaml_parse(
	const char *name, const char *text, size_t len, struct yaml_node **ret, struct error *err)
{
	struct loader l = {.name = name};
	struct fy_parse_cfg cfg = {.flags = FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE};
	struct fy_diag_cfg diag;
	int rc = check_bytes(&l, text, len, err);

	if (rc < 0)
		return rc;
	fy_diag_cfg_default(&diag);
	diag.fp = NULL;
	diag.output_fn = discard_output;
	l.diag = fy_diag_create(&diag);
	if (!l.diag)
		return error_set(err, ERR_NOMEM, "%s: YAML parser", name);
	fy_diag_set_collect_errors(l.diag, true);
	cfg.diag = l.diag;
	l.parser = fy_parser_create(&cfg);
	if (!l.parser || fy_parser_set_string(l.parser, text, len) != 0)
		rc = error_set(err, ERR_NOMEM, "%s: YAML parser", name);
	else
		rc = read_stream(&l, ret, err);
	if (l.parser)
		fy_parser_destroy(l.parser);
	fy_diag_destroy(l.diag);
	return rc;
}

void yaml_free(struct yaml_node *node)
{
	while (node) {
		struct yaml_node *next = node->next;

		yaml_free(node->first); /* as deep as YAML_DEPTH_MAX */
		free(node->key);
		free(node->text);
		free(node);
		node = next;
	}
}

const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (const struct yaml_node *n = map->first; n; n = n->next) {
		if (strcmp(n->key, key) == 0)
			return n;
	}
	return NULL;
}

struct yaml_pos yaml_key_at(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *node = yaml_find(map, key);

	return node ? node->key_at : map->key_at;
}

struct yaml_pos yaml_value_at(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *node = yaml_find(map, key);

	return node ? node->at : map->key_at;
}

const struct yaml_node *yaml_first(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *list = yaml_find(map, key);

	return list ? list->first : NULL;
}

const char *yaml_kind_text(enum yaml_kind kind)
{
	switch (kind) {
	case YAML_NULL:
		return "nothing";
	case YAML_TEXT:
		return "plain text";
	case YAML_LIST:
		return "a list";
	case YAML_MAP:
		return "a mapping";
	}
	return "unknown";
}
