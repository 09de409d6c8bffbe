/*
 * scope.c - sets of token scopes.
 *
 * Names may hold colons in odd registries, so a scope is split at its last one; one
 * without any is a resource of its own (ECR Public asks for "aws").
 */
#include "registry/scope.h"

#include "util/mem.h"

#define ACTIONS_MAX 8 /* of one resource: pull, push, delete and the star are what there is */

struct actions {
	size_t n;
	struct {
		const char *text;
		size_t len;
	} item[ACTIONS_MAX];
};

/*
 * Characters before the last colon: "repository:x" of "repository:x:pull"; all where there is none.
 */
static size_t resource_len(const char *scope, size_t len)
{
	size_t n = len;

	while (n > 0 && scope[n - 1] != ':')
		n--;
	return n > 0 ? n - 1 : len;
}

/* RFC 6749 3.3: what a scope may be made of; it goes into URLs and messages. */
static bool is_clean(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\')
			return false;
	return len > 0 && len <= SCOPE_TEXT_MAX;
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* Puts one action where it belongs by the alphabet; false: it was there, or there is no room. */
static bool add_action(struct actions *a, const char *text, size_t len)
{
	size_t at = 0;

	if (len == 0)
		return false;
	while (at < a->n && compare(a->item[at].text, a->item[at].len, text, len) < 0)
		at++;
	if (at < a->n && compare(a->item[at].text, a->item[at].len, text, len) == 0)
		return false;
	if (a->n == ACTIONS_MAX)
		return false;
	memmove(&a->item[at + 1], &a->item[at], (a->n - at) * sizeof(a->item[0]));
	a->item[at].text = text;
	a->item[at].len = len;
	a->n++;
	return true;
}

static bool add_actions(struct actions *a, const char *list, size_t len)
{
	bool grew = false;

	for (const char *end = list + len; list < end;) {
		size_t n = 0;

		while (list + n < end && list[n] != ',')
			n++;
		grew |= add_action(a, list, n);
		list += n + (list + n < end);
	}
	return grew;
}

/* Writes "resource:a,b" to a place of SCOPE_TEXT_MAX + 1 characters; false: too long. */
static bool write_scope(char *to, const char *scope, size_t resource, const struct actions *a)
{
	char text[SCOPE_TEXT_MAX + 1];
	size_t len = resource;

	memcpy(text, scope, resource);
	for (size_t i = 0; i < a->n; i++) {
		if (len + 1 + a->item[i].len > SCOPE_TEXT_MAX)
			return false;
		text[len++] = i == 0 ? ':' : ',';
		memcpy(text + len, a->item[i].text, a->item[i].len);
		len += a->item[i].len;
	}
	text[len] = '\0';
	memcpy(to, text, len + 1);
	return true;
}

static bool add_one(struct scope_set *set, const char *scope, size_t len)
{
	const size_t resource = resource_len(scope, len);
	const size_t skip = resource < len ? resource + 1 : len;
	struct actions actions = {.n = 0};
	char *to = NULL;
	bool grew;

	for (size_t i = 0; i < set->n && !to; i++) {
		const char *old = set->text[i];
		const size_t old_len = strlen(old), old_resource = resource_len(old, old_len);

		if (old_resource != resource || memcmp(old, scope, resource) != 0)
			continue;
		to = set->text[i];
		if (old_resource < old_len)
			(void)add_actions(
				&actions, old + old_resource + 1, old_len - old_resource - 1);
	}
	grew = add_actions(&actions, scope + skip, len - skip);
	if (to)
		return grew && write_scope(to, scope, resource, &actions);
	if (set->n == SCOPES_MAX || !write_scope(set->text[set->n], scope, resource, &actions))
		return false;
	set->n++;
	return true;
}

bool scope_add(struct scope_set *set, const char *text)
{
	bool grew = false;

	while (*text) {
		const size_t len = strcspn(text, " ");

		if (is_clean(text, len))
			grew |= add_one(set, text, len);
		text += len + (text[len] == ' ');
	}
	return grew;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

char *scope_key(const struct scope_set *set)
{
	struct scope_set sorted = *set;
	char *key = xstrdup("");

	qsort(sorted.text, sorted.n, sizeof(sorted.text[0]), by_text);
	for (size_t i = 0; i < sorted.n; i++) {
		char *longer = xasprintf("%s%s%s", key, i > 0 ? " " : "", sorted.text[i]);

		free(key);
		key = longer;
	}
	return key;
}
