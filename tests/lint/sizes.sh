#!/bin/sh -u
# Files and functions stay small enough to read.  Prints each offence; exits 1 if there is any.
max_file=800     # lines
max_function=60  # lines
max_paths=15     # McCabe, a switch counting as one
product=$(find pkg cmd -name '*.c' | sort)

# shellcheck disable=SC2086  # lists of files
report() {
	find pkg cmd bench tests \( -name '*.[ch]' -o -name '*.py' -o -name '*.sh' \) -exec wc -l {} + |
		awk -v max=$max_file '$2 != "total" && $1 > max {print $2 ": " $1 " lines, at most " max}'
	ctags --languages=C --kinds-C=f --fields=+ne -f - $product | awk -F'\t' -v max=$max_function '{
		first = last = 0
		for (i = 4; i <= NF; i++) {
			if ($i ~ /^line:/) first = substr($i, 6)
			if ($i ~ /^end:/) last = substr($i, 5)
		}
		if (last - first + 1 > max) print $2 ":" first ": " $1 "() has " last - first + 1 " lines, at most " max
	}'
	pmccabe $product | awk -F'\t' -v max=$max_paths \
		'$1 > max {print $6 ": " $1 " paths, at most " max}'
}
found=$(report)
[ -z "$found" ] || printf '%s\n' "$found"
[ -z "$found" ]
