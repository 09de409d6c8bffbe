#include "wellformed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/parse.h"

#define DEPTH_MAX 32
#define NAME_MAX  16 /* chars of an element's or attribute's name, with the NUL */

struct reader {
	const char *p;
	char open[DEPTH_MAX][NAME_MAX];
	size_t depth;
	double width, height; /* of the drawing that is open */
	struct seen *seen;
};

static const char *const elements[] = {"html",
	"head",
	"meta",
	"link",
	"title",
	"style",
	"body",
	"main",
	"h1",
	"h2",
	"p",
	"strong",
	"div",
	"table",
	"thead",
	"tbody",
	"tr",
	"th",
	"td",
	"figure",
	"figcaption",
	"ul",
	"li",
	"span",
	"svg",
	"desc",
	"g",
	"line",
	"path",
	"text"};

static const char *const attributes[] = {"lang",
	"charset",
	"http-equiv",
	"content",
	"name",
	"rel",
	"href",
	"class",
	"role",
	"tabindex",
	"aria-label",
	"aria-labelledby",
	"aria-hidden",
	"id",
	"scope",
	"title",
	"viewBox",
	"font-size",
	"d",
	"x",
	"y",
	"x1",
	"y1",
	"x2",
	"y2"};

static bool is_one_of(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static void expect(struct reader *r, const char *s)
{
	if (strncmp(r->p, s, strlen(s)) != 0)
		fail_msg("'%s' expected at '%.60s'", s, r->p);
	r->p += strlen(s);
}

static void read_name(struct reader *r, char name[static NAME_MAX])
{
	size_t n = strspn(r->p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

	if (n == 0 || n >= NAME_MAX)
		fail_msg("no name at '%.60s'", r->p);
	memcpy(name, r->p, n);
	name[n] = '\0';
	r->p += n;
}

/* Text up to `end`, every & an entity, nothing that would begin markup. */
static void read_text(struct reader *r, char end)
{
	static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

	while (*r->p && *r->p != end) {
		size_t i = 0;

		if (strchr("<>\"", *r->p) != NULL)
			fail_msg("bare '%c' at '%.60s'", *r->p, r->p);
		if (*r->p++ != '&')
			continue;
		r->p--;
		while (i < ARRAY_SIZE(entities) &&
			strncmp(r->p, entities[i], strlen(entities[i])) != 0)
			i++;
		if (i == ARRAY_SIZE(entities))
			fail_msg("bare '&' at '%.60s'", r->p);
		r->p += strlen(entities[i]);
	}
}

static double read_number(const char **p)
{
	size_t n = strspn(*p, "-.0123456789");
	char *end = NULL;
	double v = strtod(*p, &end);

	if (n == 0 || !isfinite(v) || end > *p + n)
		fail_msg("no number at '%.40s'", *p);
	*p = end;
	*p += strspn(*p, " ");
	return v;
}

static void assert_inside(double v, double limit, const char *where)
{
	if (v < 0 || v > limit)
		fail_msg("%g is outside of 0 to %g: '%.60s'", v, limit, where);
}

/* Absolute commands stay in the drawing; relative ones draw a mark, which reaches a few units. */
static void check_path(struct reader *r, const char *d)
{
	for (const char *p = d; *p != '"';) {
		char command = *p++;

		assert_non_null(strchr("MLlhvaz", command));
		if (strchr("ML", command)) {
			assert_inside(read_number(&p), r->width, p);
			assert_inside(read_number(&p), r->height, p);
		}
		while (strchr("lhva", command) && strchr("-.0123456789", *p))
			assert_true(fabs(read_number(&p)) <= 10);
	}
}

static void check_attribute(struct reader *r, const char *name, const char *value)
{
	if (strcmp(name, "viewBox") == 0) {
		expect(&(struct reader){.p = value}, "0 0 ");
		value += strlen("0 0 ");
		r->width = read_number(&value);
		r->height = read_number(&value);
		assert_true(r->width > 0 && r->height > 0);
	} else if (strcmp(name, "d") == 0) {
		check_path(r, value);
	} else if (strcmp(name, "href") == 0) {
		expect(&(struct reader){.p = value}, "data:,\"");
	} else if (name[0] == 'x') {
		assert_inside(read_number(&value), r->width, value);
	} else if (name[0] == 'y') {
		assert_inside(read_number(&value), r->height, value);
	} else if (strcmp(name, "class") == 0) {
		r->seen->curves += strncmp(value, "line\"", 5) == 0;
		r->seen->marks += strncmp(value, "mark\"", 5) == 0;
	}
}

static void read_attributes(struct reader *r)
{
	while (*r->p == ' ') {
		char name[NAME_MAX];
		const char *value;

		r->p++;
		read_name(r, name);
		if (!is_one_of(name, attributes, ARRAY_SIZE(attributes)))
			fail_msg("unexpected attribute %s", name);
		expect(r, "=\"");
		value = r->p;
		if (strcmp(name, "content") == 0)
			r->p += strcspn(r->p, "\"");
		else
			read_text(r, '"');
		expect(r, "\"");
		check_attribute(r, name, value);
	}
}

static void open_element(struct reader *r, const char *name)
{
	if (r->depth == DEPTH_MAX)
		fail_msg("deeper than %d", DEPTH_MAX);
	memcpy(r->open[r->depth++], name, strlen(name) + 1);
	r->seen->drawings += strcmp(name, "svg") == 0;
	r->seen->texts += strcmp(name, "text") == 0;
}

static void read_tag(struct reader *r)
{
	char name[NAME_MAX];

	expect(r, "<");
	if (*r->p == '/') {
		r->p++;
		read_name(r, name);
		if (r->depth == 0 || strcmp(r->open[r->depth - 1], name) != 0)
			fail_msg("</%s> closes what is not open at '%.60s'", name, r->p);
		r->depth--;
		expect(r, ">");
		return;
	}
	read_name(r, name);
	if (!is_one_of(name, elements, ARRAY_SIZE(elements)))
		fail_msg("unexpected element %s", name);
	read_attributes(r);
	if (*r->p == '/') {
		r->p++;
	} else if (!is_one_of(name, (const char *const[]){"meta", "link"}, 2)) {
		open_element(r, name);
	}
	expect(r, ">");
	if (strcmp(name, "style") == 0)
		r->p = strstr(r->p, "</style>");
	assert_non_null(r->p);
}

void assert_well_formed(const char *text, size_t len, struct seen *ret)
{
	struct reader r = {.p = text, .seen = ret};
	static const char doctype[] = "<!DOCTYPE html>\n";

	*ret = (struct seen){0};
	assert_int_equal(strlen(text), len);
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		if (!text_is_clean(line, strcspn(line, "\n")))
			fail_msg("unfit bytes in '%.80s'", line);
	if (strncmp(text, doctype, strlen(doctype)) == 0)
		r.p += strlen(doctype);
	while (*r.p) {
		if (*r.p == '<')
			read_tag(&r);
		else
			read_text(&r, '<');
	}
	if (r.depth > 0)
		fail_msg("<%s> is left open", r.open[r.depth - 1]);
}
