#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oci/media.h"
#include "script.h"

#define INDEX   "Content-Type: " MEDIA_OCI_INDEX "\r\n"
#define SUBJECT "subject"
#define CHILD(hex, type)                                                                 \
	"{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"sha256:" hex hex hex hex \
	"\",\"size\":7,\"artifactType\":\"" type "\"}"
#define ONES "1111111111111111"
#define TWOS "2222222222222222"

static size_t enough; /* items after which the callee has enough; 0: never */
static size_t n_items;

static bool on_item(void *ctx, const char *tag, const struct descriptor *descriptor)
{
	struct script *s = ctx;
	char text[DIGEST_STR_MAX];

	n_items++;
	if (descriptor)
		tag = digest_format(&descriptor->digest, text) + sizeof("sha256:") - 1;
	assert_int_equal(buf_append(&s->got, tag, strlen(tag), NULL), 0);
	assert_int_equal(buf_puts(&s->got, " ", NULL), 0);
	return n_items != enough;
}

static enum errc list(struct script *s, const struct digest *subject, const char *type)
{
	const struct registry_list how = {
		.repository = "a/b",
		.subject = subject,
		.artifact_type = type,
		.attempts = 2,
		.item = on_item,
		.done = script_on_reply,
		.ctx = s,
	};

	script_forget(s);
	n_items = 0;
	if (subject)
		assert_non_null(registry_referrers(s->registry, &how));
	else
		assert_non_null(registry_tags(s->registry, &how));
	return script_wait(s);
}

static enum errc tags(struct script *s)
{
	return list(s, NULL, NULL);
}

static int reset(void **state)
{
	(void)state;
	enough = 0;
	return 0;
}

/* ---- tags ---- */

static void a_listing_without_link_costs_one_request(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/tags/list ",
			.status = 200,
			.body = "{\"tags\":[\"a\",\"b\"]}"},
		{.want = "GET /v2/a/b/tags/list ",
			.status = 200,
			.body = "{\"name\":\"a/b\",\"tags\":null}"},
		{.want = "GET /v2/a/b/tags/list ", .status = 404});

	(void)state;
	assert_int_equal(tags(&s), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "a b ");
	assert_int_equal(tags(&s), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "");
	assert_int_equal(tags(&s), ERR_NOTFOUND);
	script_end(&s);
}

static void pages_are_followed_by_link(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/tags/list ",
			.status = 200,
			.headers = "Link: </v2/a/b/tags/list?last=b&n=2>; rel=\"next\"\r\n",
			.body = "{\"tags\":[\"a\",\"b\"]}"},
		{.want = "GET /v2/a/b/tags/list?last=b&n=2 ",
			.status = 200,
			.headers = "Link: <http://@HOST@/v2/a/b/tags/list?last=c>; rel=next\r\n",
			.body = "{\"tags\":[]}"},
		{.want = "GET /v2/a/b/tags/list?last=c ",
			.status = 200,
			.body = "{\"tags\":[\"d\"]}"});

	(void)state;
	assert_int_equal(tags(&s), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "a b d ");
	script_end(&s);
}

static void a_link_that_leads_in_circles_or_away_is_refused(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/tags/list ",
			.status = 200,
			.headers = "Link: </v2/a/b/tags/list?p=2>; rel=next\r\n",
			.body = "{\"tags\":[\"a\"]}"},
		{.want = "GET /v2/a/b/tags/list?p=2 ",
			.status = 200,
			.headers = "Link: </v2/a/b/tags/list>; rel=next\r\n",
			.body = "{\"tags\":[\"b\"]}"},
		{.want = "GET ",
			.status = 200,
			.headers = "Link: <http://@OTHER@/v2/a/b/tags/list?p=2>; rel=next\r\n",
			.body = "{\"tags\":[\"a\"]}"},
		{.want = "GET ",
			.status = 200,
			.headers = "Link: /v2/a/b/tags/list?p=2\r\n",
			.body = "{\"tags\":[\"a\"]}"});

	(void)state;
	assert_int_equal(tags(&s), ERR_REMOTE);
	assert_says(&s, "leads back");
	assert_int_equal(tags(&s), ERR_REMOTE);
	assert_says(&s, "another host");
	assert_int_equal(tags(&s), ERR_REMOTE);
	assert_says(&s, "malformed Link");
	script_end(&s);
}

static void a_listing_ends_when_the_callee_has_enough(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ",
			.status = 200,
			.headers = "Link: </v2/a/b/tags/list?p=2>; rel=next\r\n",
			.body = "{\"tags\":[\"a\",\"b\",\"c\"]}"});

	(void)state;
	enough = 2;
	assert_int_equal(tags(&s), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "a b ");
	script_end(&s);
}

static void a_page_that_broke_off_is_asked_for_again_and_told_once(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET ",
			.status = 200,
			.body = "{\"tags\":[\"a\",\"b\",",
			.length = "100",
			.cut = true},
		{.want = "GET ", .status = 200, .body = "{\"tags\":[\"a\",\"b\",\"c\"]}"},
		{.want = "GET ", .status = 200, .body = "<html>", .cut = true},
		{.want = "GET ", .status = 200, .body = "{\"tags\":[\"a\"]"});

	(void)state;
	assert_int_equal(tags(&s), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "a b c ");
	assert_int_equal(registry_stats(s.registry).retries, 1);
	assert_int_equal(tags(&s), ERR_REMOTE);
	assert_says(&s, "no JSON");
	assert_int_equal(tags(&s), ERR_REMOTE);
	assert_string_equal(buf_text(&s.got), "");
	script_end(&s);
}

static void a_page_beyond_the_limit_is_asked_for_in_small_ones(void **state)
{
	const size_t len = REGISTRY_TAGS_BODY_MAX + 1;
	AUTO_FREE char *big = xmalloc(len);
	const struct step steps[] = {
		{.want = "GET /v2/a/b/tags/list ",
			.status = 200,
			.body = big,
			.len = len,
			.length = ""},
		{.want = "GET /v2/a/b/tags/list?n=1000 ",
			.status = 200,
			.body = "{\"tags\":[\"a\"]}"},
		{.want = "GET /v2/a/b/tags/list ",
			.status = 200,
			.body = big,
			.len = len,
			.length = ""},
		{.want = "GET /v2/a/b/tags/list?n=1000 ",
			.status = 200,
			.body = big,
			.len = len,
			.length = ""},
	};
	struct script s;

	(void)state;
	memset(big, ' ', len);
	script_begin(&s, steps, ARRAY_SIZE(steps), NULL);
	assert_int_equal(tags(&s), ERR_NONE);
	assert_string_equal(buf_text(&s.got), "a ");
	assert_int_equal(tags(&s), ERR_REMOTE);
	assert_says(&s, "REGISTRY_TAGS_BODY_MAX");
	script_end(&s);
}

/* ---- referrers ---- */

static void referrers_come_from_the_api_and_are_filtered_here_if_not_there(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/referrers/sha256:",
			.status = 200,
			.headers = INDEX "Link: <?p=2>; rel=next\r\n",
			.body = "{\"manifests\":[" CHILD(ONES, "x/sig") "]}"},
		{.want = "GET /v2/a/b/referrers/sha256:",
			.status = 200,
			.headers = INDEX,
			.body = "{\"manifests\":[" CHILD(TWOS, "x/sbom") "]}"},
		{.want = "GET /v2/a/b/referrers/sha256:",
			.has = "?artifactType=x%2Fsig",
			.status = 200,
			.headers = INDEX,
			.body = "{\"manifests\":[" CHILD(ONES, "x/sig") "," CHILD(
				TWOS, "x/sbom") "]}"},
		{.want = "GET ",
			.status = 200,
			.headers = INDEX "OCI-Filters-Applied: artifactType\r\n",
			.body = "{\"manifests\":[" CHILD(TWOS, "not told the same way") "]}"},
		{.want = "GET ", .status = 200, .headers = INDEX, .body = "{\"manifests\":[]}"});
	const struct digest subject = digest_of_text(SUBJECT);

	(void)state;
	assert_int_equal(list(&s, &subject, NULL), ERR_NONE);
	assert_string_equal(buf_text(&s.got), ONES ONES ONES ONES " " TWOS TWOS TWOS TWOS " ");
	assert_int_equal(list(&s, &subject, "x/sig"), ERR_NONE);
	assert_string_equal(buf_text(&s.got), ONES ONES ONES ONES " ");
	assert_int_equal(list(&s, &subject, "x/sig"), ERR_NONE);
	assert_string_equal(buf_text(&s.got), TWOS TWOS TWOS TWOS " ");
	assert_int_equal(list(&s, &subject, NULL), ERR_NONE);
	assert_int_equal(n_items, 0);
	script_end(&s);
}

static void without_the_api_the_fallback_tag_tells(void **state)
{
	const struct digest subject = digest_of_text(SUBJECT);
	char text[DIGEST_STR_MAX];
	AUTO_FREE char *tag = xasprintf("GET /v2/a/b/manifests/sha256-%s ",
		digest_format(&subject, text) + sizeof("sha256:") - 1);
	const struct step steps[] = {
		{.want = "GET /v2/a/b/referrers/", .status = 404, .body = "404 page not found"},
		{.want = tag,
			.status = 200,
			.headers = INDEX,
			.body = "{\"manifests\":[" CHILD(ONES, "x/sig") "," CHILD(
				TWOS, "x/sbom") "]}"},
		/* The registry has no API: it is not asked for again. */
		{.want = tag, .status = 404},
		{.want = tag,
			.status = 200,
			.headers = "Content-Type: " MEDIA_OCI_MANIFEST "\r\n",
			.body = "{\"layers\":[]}"},
		{.want = tag, .status = 403},
	};
	struct script s;

	(void)state;
	script_begin(&s, steps, ARRAY_SIZE(steps), NULL);
	assert_int_equal(list(&s, &subject, "x/sbom"), ERR_NONE);
	assert_string_equal(buf_text(&s.got), TWOS TWOS TWOS TWOS " ");
	assert_int_equal(list(&s, &subject, NULL), ERR_NONE);
	assert_int_equal(n_items, 0);
	assert_int_equal(list(&s, &subject, NULL), ERR_NONE);
	assert_int_equal(n_items, 0);
	assert_int_equal(list(&s, &subject, NULL), ERR_AUTH);
	script_end(&s);
}

static void a_missing_repository_does_not_mean_a_missing_api(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/referrers/",
			.status = 404,
			.body = "{\"errors\":[{\"code\":\"NAME_UNKNOWN\"}]}"},
		{.want = "GET /v2/a/b/manifests/sha256-", .status = 404},
		{.want = "GET /v2/a/b/referrers/", .status = 200, .headers = INDEX, .body = "{}"},
		{.want = "GET /v2/a/b/referrers/", .status = 500},
		{.want = "GET /v2/a/b/referrers/", .status = 500});
	const struct digest subject = digest_of_text(SUBJECT);

	(void)state;
	assert_int_equal(list(&s, &subject, NULL), ERR_NONE);
	assert_int_equal(list(&s, &subject, NULL), ERR_NONE);
	assert_int_equal(list(&s, &subject, NULL), ERR_TEMP);
	script_end(&s);
}

static void an_answer_that_is_no_index_of_referrers_is_not_believed(void **state)
{
	SCRIPT(s,
		NULL,
		{.want = "GET /v2/a/b/referrers/", .status = 200, .body = "welcome"},
		{.want = "GET /v2/a/b/manifests/sha256-", .status = 404},
		{.want = "GET /v2/a/b/referrers/", .status = 200, .headers = INDEX, .body = "[]"},
		{.want = "GET /v2/a/b/referrers/",
			.status = 200,
			.headers = INDEX,
			.body = "{\"manifests\":[{\"size\":1}]}"},
		{.want = "GET /v2/a/b/referrers/",
			.status = 200,
			.headers = INDEX,
			.body = "{\"manifests\":[{\"digest\":\"blake3:00\",\"size\":1}]}"});
	const struct digest subject = digest_of_text(SUBJECT);

	(void)state;
	assert_int_equal(list(&s, &subject, NULL), ERR_NONE);
	assert_int_equal(list(&s, &subject, NULL), ERR_REMOTE);
	assert_int_equal(list(&s, &subject, NULL), ERR_REMOTE);
	assert_int_equal(list(&s, &subject, NULL), ERR_NONE);
	assert_int_equal(n_items, 0);
	script_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_listing_without_link_costs_one_request, reset),
		cmocka_unit_test_setup(pages_are_followed_by_link, reset),
		cmocka_unit_test_setup(a_link_that_leads_in_circles_or_away_is_refused, reset),
		cmocka_unit_test_setup(a_listing_ends_when_the_callee_has_enough, reset),
		cmocka_unit_test_setup(
			a_page_that_broke_off_is_asked_for_again_and_told_once, reset),
		cmocka_unit_test_setup(a_page_beyond_the_limit_is_asked_for_in_small_ones, reset),
		cmocka_unit_test_setup(
			referrers_come_from_the_api_and_are_filtered_here_if_not_there, reset),
		cmocka_unit_test_setup(without_the_api_the_fallback_tag_tells, reset),
		cmocka_unit_test_setup(a_missing_repository_does_not_mean_a_missing_api, reset),
		cmocka_unit_test_setup(
			an_answer_that_is_no_index_of_referrers_is_not_believed, reset),
	};

	return cmocka_run_group_tests_name("registry/tags", tests, NULL, NULL);
}
