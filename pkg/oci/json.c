/*
 * Reading.  A struct jx_value is Jansson's json_t under another name, and a
 * struct jx only its root: there is no second tree.
 */
#include "oci/json.h"

#include <jansson.h>

#include "util/mem.h"

struct jx {
	json_t *root;
};

/*
 * What Jansson 2.14 takes from malloc for each token, on a 64-bit machine with
 * glibc's rounding; test_json.c measures that the sum is not less than the truth.
 */
enum cost {
	COST_OBJECT = 224, /* json_object_t 80, first 8 buckets 144 */
	COST_ARRAY = 128,  /* json_array_t 48, first 8 slots 80 */
	COST_STRING = 80,  /* json_string_t 48, rounding of the text 32 */
	COST_MEMBER = 40,  /* a pair and its buckets 120, less what the key has paid as a string */
	COST_NEXT = 24,    /* one slot more, in the old and in the new table while it grows */
	COST_NUMBER = 32,
	COST_LONGEST = 3, /* for each byte of the longest string: the lexer's buffer and a copy */
};

struct scan {
	const char *text;
	size_t len;
	size_t at;
	size_t longest; /* bytes of the longest string */
	uint64_t cost;
	unsigned depth;
};

/* From behind the opening quote to the closing one, or to the end of the text. */
static void scan_string(struct scan *s)
{
	size_t start = s->at;
	size_t n;

	while (s->at < s->len && s->text[s->at] != '"')
		s->at += s->text[s->at] == '\\' ? 2 : 1;
	n = s->at - start;
	s->at++;
	s->cost += COST_STRING + n;
	if (n > s->longest)
		s->longest = n;
}

static void scan_number(struct scan *s)
{
	while (s->at < s->len && s->text[s->at] != '\0' &&
		strchr("0123456789+-.eE", s->text[s->at]))
		s->at++;
	s->cost += COST_NUMBER;
}

static void scan_token(struct scan *s)
{
	char c = s->text[s->at++];

	switch (c) {
	case '"':
		scan_string(s);
		break;
	case '{':
		s->depth++;
		s->cost += COST_OBJECT;
		break;
	case '[':
		s->depth++;
		s->cost += COST_ARRAY;
		break;
	case '}':
	case ']':
		s->depth -= s->depth > 0;
		break;
	case ':':
		s->cost += COST_MEMBER;
		break;
	case ',':
		s->cost += COST_NEXT;
		break;
	default:
		if (c == '-' || (c >= '0' && c <= '9'))
			scan_number(s);
	}
}

/*
 * Depth and cost without a tree.  Text that is no JSON is Jansson's to refuse:
 * up to its first error both see the same tokens, so the cost is never too low.
 */
static int scan(const char *text, size_t len, unsigned depth_max, struct error *err)
{
	struct scan s = {.text = text, .len = len};

	while (s.at < s.len) {
		scan_token(&s);
		if (s.depth > depth_max)
			return error_set(
				err, ERR_REMOTE, "JSON nested deeper than %u levels", depth_max);
		if (s.cost + COST_LONGEST * (uint64_t)s.longest > JX_TREE_MAX)
			return error_set(err,
				ERR_REMOTE,
				"JSON of too many or too long values: reading it would take more "
				"than %zu MiB",
				JX_TREE_MAX >> 20);
	}
	return 0;
}

/* Jansson's own words quote the text, which may be anything: ours do not. */
static const struct {
	enum json_error_code code;
	const char *text;
} reasons[] = {
	{json_error_duplicate_key, "two members of one object have the same name"},
	{json_error_invalid_utf8, "not UTF-8"},
	{json_error_numeric_overflow, "a number is too large"},
	{json_error_null_character, "a NUL character in a string"},
	{json_error_null_byte_in_key, "a NUL character in a name"},
	{json_error_premature_end_of_input, "the JSON text ends too early"},
};

static const char *describe(const json_error_t *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (json_error_code(e) == reasons[i].code)
			return reasons[i].text;
	return "not JSON";
}

int jx_parse(const void *text, size_t len, unsigned depth_max, struct jx **ret, struct error *err)
{
	json_error_t e;
	json_t *root;
	struct jx *j;
	int rc;

	if (len == 0)
		return error_set(err, ERR_REMOTE, "empty instead of JSON");
	rc = scan(text, len, depth_max, err);
	if (rc < 0)
		return rc;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if (!root && json_error_code(&e) == json_error_out_of_memory)
		return error_set(err, ERR_NOMEM, "no memory for a JSON document");
	if (!root)
		return error_set(
			err, ERR_REMOTE, "%s (line %d, column %d)", describe(&e), e.line, e.column);
	j = xmalloc(sizeof(*j));
	j->root = root;
	*ret = j;
	return 0;
}

void jx_free(struct jx *j)
{
	if (!j)
		return;
	json_decref(j->root);
	free(j);
}

static const struct jx_value *as_value(const json_t *j)
{
	return (const struct jx_value *)j;
}

static const json_t *as_json(const struct jx_value *v)
{
	return (const json_t *)v;
}

const struct jx_value *jx_root(const struct jx *j)
{
	return as_value(j->root);
}

bool jx_has(const struct jx_value *v, const char *key)
{
	return json_object_get(as_json(v), key) != NULL;
}

/* *ret is NULL when there is nothing to get; type_name is for the message. */
static int member(const struct jx_value *v, const char *key, json_type type, const char *type_name,
	const json_t **ret, struct error *err)
{
	const json_t *m;

	*ret = NULL;
	if (!v)
		return 0;
	if (!json_is_object(as_json(v)))
		return error_set(err, ERR_REMOTE, "not an object");
	m = json_object_get(as_json(v), key);
	if (!m || json_is_null(m))
		return 0;
	if (json_typeof(m) != type)
		return error_set(err, ERR_REMOTE, "%s: not %s", key, type_name);
	*ret = m;
	return 0;
}

int jx_object(
	const struct jx_value *v, const char *key, const struct jx_value **ret, struct error *err)
{
	const json_t *m;
	int rc = member(v, key, JSON_OBJECT, "an object", &m, err);

	if (rc == 0)
		*ret = as_value(m);
	return rc;
}

int jx_array(
	const struct jx_value *v, const char *key, const struct jx_value **ret, struct error *err)
{
	const json_t *m;
	int rc = member(v, key, JSON_ARRAY, "an array", &m, err);

	if (rc == 0)
		*ret = as_value(m);
	return rc;
}

int jx_text(const struct jx_value *v, const char *key, const char **ret, struct error *err)
{
	const json_t *m;
	int rc = member(v, key, JSON_STRING, "a string", &m, err);

	if (rc == 0)
		*ret = json_string_value(m);
	return rc;
}

int jx_u64(
	const struct jx_value *v, const char *key, uint64_t def, uint64_t *ret, struct error *err)
{
	const json_t *m;
	int rc = member(v, key, JSON_INTEGER, "a whole number", &m, err);

	if (rc < 0)
		return rc;
	if (m && json_integer_value(m) < 0)
		return error_set(err, ERR_REMOTE, "%s: negative", key);
	*ret = m ? (uint64_t)json_integer_value(m) : def;
	return 0;
}

size_t jx_count(const struct jx_value *array)
{
	return json_array_size(as_json(array));
}

const struct jx_value *jx_at(const struct jx_value *array, size_t i)
{
	return as_value(json_array_get(as_json(array), i));
}

const char *jx_as_text(const struct jx_value *v)
{
	return json_string_value(as_json(v));
}

bool jx_is_object(const struct jx_value *v)
{
	return v && json_is_object(as_json(v));
}

int jx_each(const struct jx_value *object, jx_member_fn *fn, void *ctx, struct error *err)
{
	/* Jansson's iterator wants a json_t that it could change, though it does not. */
	const union {
		const struct jx_value *v;
		json_t *j;
	} o = {.v = object};
	int rc = 0;

	if (!object)
		return 0;
	if (!jx_is_object(object))
		return error_set(err, ERR_REMOTE, "not an object");
	for (void *i = json_object_iter(o.j); i && rc == 0; i = json_object_iter_next(o.j, i))
		rc = fn(ctx, json_object_iter_key(i), as_value(json_object_iter_value(i)), err);
	return rc;
}
