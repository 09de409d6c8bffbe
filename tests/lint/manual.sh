#!/bin/sh -u
# manual.sh PROGRAM PAGE: every command and long option of the program's help is in the manual
# page, and the page names no option that the program does not have.
program=$1 page=$2 bad=0
[ -e "$page" ] || exit 0
complain() { echo "$page: $1"; bad=1; }
options_of() { grep -oE -- '(^|[ ,[])--[a-z][a-z0-9-]*' | sed 's/.*--//' | sort -u; }

# Commands are the words that stand at the beginning of an indented line below "Commands:".
commands=$("$program" --help | sed -n '/^Commands:/,/^[^ ]/s/^  \([a-z-]*\) .*/\1/p')
have=$({
	"$program" --help
	for c in $commands; do "$program" "$c" --help; done
} 2>/dev/null | options_of)
told=$(grep -oE '\<Fl (-|Fl )[a-z][a-z0-9-]*' "$page" | sed -E 's/Fl (-|Fl )//' | sort -u)

[ -n "$commands" ] || complain 'the help of the program names no commands'
for c in $commands; do
	grep -qE "\<(Cm|Ic|Nm regmirror) $c\>" "$page" || complain "command '$c' is missing"
done
for o in $have; do
	printf '%s\n' "$told" | grep -qxF -- "$o" || complain "option --$o is missing"
done
for o in $told; do
	printf '%s\n' "$have" | grep -qxF -- "$o" || complain "no command has the option --$o"
done
exit $bad
