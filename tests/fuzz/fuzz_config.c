#include "config/config.h"

#define SHOWN_MAX (64 * 1024 * 1024) /* bytes: defaults make it longer than its text */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * libfyaml 0.7.12 forgets a buffer of a few KiB when quoted text with many quotes in it
 * is never closed; the file is refused anyway.  The unit tests run without this.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

/* The effective configuration as text; NULL when `text` is not one. */
static char *effective(const char *text, size_t len)
{
	AUTO(config_freep) struct config *c = NULL;
	AUTO(buf_clear) struct buf shown = BUF_INIT(SHOWN_MAX);

	if (config_parse("fuzz", text, len, &c, NULL) < 0)
		return NULL;
	if (config_show(c, &shown, NULL) < 0)
		abort();
	return buf_steal(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(config_freep) struct config *c = NULL;
	AUTO_FREE char *once = effective((const char *)data, size);
	AUTO_FREE char *twice = once ? effective(once, strlen(once)) : NULL;

	/* What is shown loads again, to the same. */
	if (once && (!twice || strcmp(once, twice) != 0))
		abort();
	/* What is refused says where. */
	if (!once && (config_parse("fuzz", (const char *)data, size, &c, &err) != -ERR_USAGE ||
			     strncmp(error_text(&err), "fuzz:", strlen("fuzz:")) != 0))
		abort();
	return 0;
}
