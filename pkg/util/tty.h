/* tty.h - what the terminal can show: width, colour, and columns of a text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool tty_is(int fd);          /* a terminal that moves its cursor: isatty and TERM is not dumb */
bool tty_wants_color(int fd); /* tty_is(), and NO_COLOR (no-color.org) is unset or empty */
size_t tty_width(int fd);     /* columns; 80 when unknown */
size_t text_columns(const char *s); /* columns that s takes, wide characters counted as 2 */
