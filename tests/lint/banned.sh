#!/bin/sh -u
# What the sources may not hold.  Prints each offence; exits 1 if there is any.
bad=0
code=$(mktemp)
trap 'rm -f "$code"' EXIT

# Every line of code as file:line:text, without comments.
# shellcheck disable=SC2016  # awk's fields
find pkg cmd bench tests -name '*.[ch]' | sort | xargs awk '{
	text = $0
	gsub(/\/\*.*\*\//, "", text)
	if (text !~ /^[ \t]*(\*([ \t]|$|\/)|\/\*)/) print FILENAME ":" FNR ":" text
}' > "$code"

# refuse WHY FILES PATTERN: FILES fits the beginning of the path
refuse() {
	if found=$(grep -E "^$2" "$code" | grep -E "^[^:]*:[0-9]*:.*$3"); then
		printf '%s\n' "$found" | sed "s|\$|    <- $1|"
		bad=1
	fi
}
everywhere='(pkg|cmd|bench|tests)/'
refuse 'no bounds' "$everywhere" '\<(strcpy|strcat|sprintf|vsprintf|gets|strncpy)[[:space:]]*\('
refuse 'hidden state' "$everywhere" '\<(strtok|gmtime|localtime|ctime|asctime|rand|srand)[[:space:]]*\('
refuse 'no errors' "$everywhere" '\<(atoi|atol|atoll|atof)[[:space:]]*\('
refuse 'a shell' "$everywhere" '\<(system|popen)[[:space:]]*\('
refuse 'a race' "$everywhere" '\<(tmpnam|tempnam|mktemp)[[:space:]]*\('
refuse 'unfinished' "$everywhere" '\<(TODO|FIXME|XXX|HACK)\>'
refuse 'an array of a magic size' '(pkg|cmd)/' '\<char[[:space:]]+\**[a-z_]+\[[0-9]{2,}\]'
# util/log is the sink, util/opt prints help, util/mem ends a program that is out of memory.
refuse 'packages return; programs log, print and exit' 'pkg/([^u]|u[^t]|util/([^lmo]|l[^o]|m[^e]|o[^p]))' \
	'\<((printf|puts|putchar|perror|exit|_exit|log_(error|warn|info))[[:space:]]*\(|fprintf[[:space:]]*\((stderr|stdout))'
exit $bad
