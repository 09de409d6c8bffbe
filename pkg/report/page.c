/*
 * page.c - one page that needs nothing else.
 *
 * The policy in its head forbids the page to load anything at all, should some text ever slip
 * through as markup.
 */
#include "report/chart.h"

#include "report/draw.h"
#include "report/mark.h"
#include "report/markup.h"
#include "util/mem.h"

/* Bytes of a page without its head: 32 series of 7 rounds take 50 KiB; a browser bears this much.
 */
#define PAGE_MAX ((size_t)64 * 1024 * 1024)

struct page {
	char *title;
	struct buf body;
	struct markup m; /* into body */
	unsigned n_charts, n_tables;
};

/*
 * Colours of series: after Okabe and Ito's palette (Color Universal Design, 2008), darkened for
 * white paper and lightened for a dark screen until each has a contrast of 3 to 1 at least
 * (WCAG 2.1, 1.4.11).
 */
static const char light[] =
	"color-scheme:light;--bg:#fff;--fg:#1c2127;--dim:#59636e;--rule:#d3d9e0;"
	"--grid:#e8ebef;--box:#f5f7f9;--warn:#fff4d9;--edge:#b36b00;"
	"--c0:#0068a8;--c1:#cf5300;--c2:#00805c;--c3:#b04a86;--c4:#8f6a00;--c5:#4a4f57";
static const char dark[] =
	"color-scheme:dark;--bg:#12161b;--fg:#e4e8ed;--dim:#9da7b3;--rule:#39424d;"
	"--grid:#272e37;--box:#1a2027;--warn:#33280f;--edge:#e0a030;"
	"--c0:#5ab4f0;--c1:#ff8a47;--c2:#2fcf9f;--c3:#f095c8;--c4:#e8c33c;--c5:#c3c9d1";

static const char style[] =
	"*{box-sizing:border-box}\n"
	"html{-webkit-text-size-adjust:100%;text-size-adjust:100%}\n"
	"body{margin:0;background:var(--bg);color:var(--fg);"
	"font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}\n"
	"main{max-width:58rem;margin:0 auto;padding:1.25rem 1rem 3rem}\n"
	"h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0 1rem}\n"
	"h2{font-size:1.2rem;line-height:1.3;margin:2.2rem 0 .6rem;padding-top:.9rem;"
	"border-top:1px solid var(--rule)}\n"
	"h1,h2,p,figcaption,li{overflow-wrap:anywhere}\n"
	"p{margin:.6rem 0;max-width:44rem}\n"
	".warning{background:var(--warn);border-left:4px solid var(--edge);border-radius:4px;"
	"padding:.6rem .9rem;max-width:none}\n"
	".scroll{overflow-x:auto;margin:1rem 0;border:1px solid var(--rule);border-radius:6px}\n"
	".scroll:focus-visible{outline:2px solid var(--c0);outline-offset:2px}\n"
	"table{border-collapse:collapse;width:max-content;min-width:100%;font-size:.9rem;"
	"font-variant-numeric:tabular-nums}\n"
	"th,td{padding:.45rem .8rem;text-align:left;vertical-align:baseline;"
	"overflow-wrap:break-word;max-width:min(24rem,70vw);border-bottom:1px solid var(--rule)}\n"
	"td.n{white-space:nowrap}\n"
	"th{background:var(--box);font-weight:600}\n"
	"tbody tr:last-child td{border-bottom:0}\n"
	".n{text-align:right}\n"
	"figure{margin:1.4rem 0}\n"
	"figcaption{font-weight:600;margin-bottom:.3rem}\n"
	".empty{background:var(--box);color:var(--dim);border-radius:6px;padding:1.2rem;"
	"text-align:center;max-width:none}\n"
	".legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1.2rem;margin:0 0 .4rem;"
	"padding:0;font-size:.9rem}\n"
	".legend li{display:flex;align-items:baseline;gap:.45rem;min-width:0}\n"
	".legend span{min-width:0}\n"
	".sample{flex:none;width:34px;height:14px;align-self:center}\n"
	".wide,.narrow{display:block;width:100%;height:auto}\n"
	".wide{display:none}\n"
	".narrow{max-width:30rem}\n"
	"text{fill:var(--dim)}\n"
	".name{fill:var(--fg)}\n"
	".end{text-anchor:end}\n"
	".middle{text-anchor:middle}\n"
	".series{fill:currentColor;font-weight:500}\n"
	".grid{stroke:var(--grid)}\n"
	".axis{stroke:var(--dim)}\n"
	".leader{stroke:currentColor;stroke-width:.8;opacity:.5}\n"
	".line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}\n"
	".mark{fill:currentColor;stroke:var(--bg);stroke-width:.8}\n";

/* Behind the rest, which they change.  45rem: where the wide drawing's text is 10 pixels high. */
static const char style_wide[] =
	"{.wide{display:block}.narrow,.named .legend{display:none}}\n"
	"@media print{main{max-width:none;padding:0}"
	".scroll{overflow:visible}"
	"figure,tr,.warning{break-inside:avoid}h2,figcaption{break-after:avoid}"
	"*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n";

struct page *page_new(const char *title)
{
	struct page *p = xcalloc(1, sizeof(*p));

	p->title = xstrdup(title);
	p->body = BUF_INIT(PAGE_MAX);
	p->m.out = &p->body;
	return p;
}

void page_free(struct page *p)
{
	if (!p)
		return;
	free(p->title);
	buf_clear(&p->body);
	free(p);
}

static void put_element(struct page *p, const char *begin, const char *text, const char *end)
{
	markup_raw(&p->m, begin);
	markup_text(&p->m, text);
	markup_raw(&p->m, end);
}

void page_heading(struct page *p, const char *text)
{
	put_element(p, "<h2>", text, "</h2>\n");
}

void page_text(struct page *p, const char *text)
{
	put_element(p, "<p>", text, "</p>\n");
}

void page_warning(struct page *p, const char *text)
{
	put_element(p, "<p class=\"warning\"><strong>Warning:</strong> ", text, "</p>\n");
}

/* A box that scrolls must be reached by the keyboard, and have a name then. */
void page_table(struct page *p, const struct table *table)
{
	markup_format(&p->m,
		"<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Table %u\">\n",
		++p->n_tables);
	if (!p->m.failed && table_html(table, &p->body, NULL) < 0)
		p->m.failed = true;
	markup_raw(&p->m, "</div>\n");
}

void page_chart(struct page *p, const struct chart *chart)
{
	draw_figure(&p->m, chart, ++p->n_charts);
}

static void put_head(struct markup *m, const char *title)
{
	markup_raw(m,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n"
		"<meta name=\"generator\" content=\"regmirror " VERSION "\">\n"
		"<link rel=\"icon\" href=\"data:,\">\n<title>");
	markup_text(m, title);
	markup_raw(m, "</title>\n<style>\n");
	markup_format(m,
		":root{%s}\n@media screen and (prefers-color-scheme:dark){:root{%s}}\n",
		light,
		dark);
	markup_raw(m, style);
	mark_style(m);
	markup_raw(m, "@media print,(min-width:45rem)");
	markup_raw(m, style_wide);
	markup_raw(m, "</style>\n</head>\n");
}

int page_write(const struct page *p, struct buf *out, struct error *err)
{
	struct markup m = {.out = out, .failed = p->m.failed};
	size_t before = out->len;

	put_head(&m, p->title);
	markup_raw(&m, "<body>\n<main>\n<h1>");
	markup_text(&m, p->title);
	markup_raw(&m, "</h1>\n");
	markup_raw(&m, buf_text(&p->body));
	markup_raw(&m, "</main>\n</body>\n</html>\n");
	if (!m.failed)
		return 0;
	if (out->len > before) { /* half a page is no use to anyone */
		out->len = before;
		out->data[before] = '\0';
	}
	return error_set(err,
		ERR_NOMEM,
		"a page larger than its limit of %zu bytes",
		p->m.failed ? PAGE_MAX : out->max);
}
