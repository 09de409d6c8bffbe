/* pages.h - pages as they are, and as bad input would make them; also looked at in a browser. */
#pragma once

#include "report/chart.h"

#define HOSTILE_NAME "<script>alert('&\"')</script>\x1b[2J\xff\n\xe2\x80\xae"

/* Four sources compared: a table and each kind of chart. */
struct page *page_of_a_comparison(void) NODISCARD;
/* Nothing to draw, one point, all the same, no numbers, 32 series of long names that attack. */
struct page *page_of_bad_input(void) NODISCARD;
