#!/usr/bin/env bash
# The length of lines: comments in Rust take at most 100 columns, Markdown at most 120. Tables, code blocks, link definitions and
# lines that a single word fills are exempt. Lists the lines that are longer, by file. Takes files, or else checks the whole
# project. Needs perl.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v perl >/dev/null; then
    echo 'missing: perl: apt-get install perl' >&2
    exit 3
fi

files=("$@")
if [ ${#files[@]} -eq 0 ]; then
    # Files that git knows of, and new ones that it does not ignore.
    mapfile -d '' -t files < <(git ls-files -z --cached --others --exclude-standard -- '*.rs' '*.md' | sort -z)
fi

perl -CSD -e '
    my ($all, $in_files) = (0, 0);
    for my $path (@ARGV) {
        # A file that is deleted and not yet committed.
        open my $file, "<", $path or next;
        my $rust = $path =~ /\.rs$/;
        my ($limit, $fence, @long) = ($rust ? 100 : 120, "");
        while (my $line = <$file>) {
            chomp $line;
            my $text = $line;
            if ($rust) {
                # A comment of its own, or one behind code: behind the end of a statement, an item or a list element.
                if ($line =~ m{^\s*//[/!]?\s?(.*)}) { $text = $1 }
                elsif ($line =~ m{[;,{})\]]\s+//\s+(.*)}) { $text = $1 }
                # A code block may begin in an attribute, with a condition.
                elsif ($line =~ m{doc\s*=\s*"(`{3,})}) { $fence = $1; next }
                else { $fence = ""; next }
            }
            # A code block ends at a fence that is at least as long as the one that began it.
            if ($text =~ /^\s*(`{3,}|~{3,})/) {
                if ($fence eq "") { $fence = $1 } elsif (index($1, $fence) == 0) { $fence = "" }
                next;
            }
            next if length($line) <= $limit || $fence ne "";
            next if $text =~ /^\s*\|/;                    # a table
            next if $text =~ /^\s*\[[^\]]+\]:\s/;         # a link definition
            next if $text =~ /^\s*(?:[-*>]\s+)?\S+\s*$/;  # a single word
            push @long, "    $.: " . length($line) . " columns\n";
        }
        next unless @long;
        printf "%s: %d over %d\n%s", $path, scalar @long, $limit, join("", @long);
        $all += @long;
        $in_files++;
    }
    if ($all) {
        print "$all lines are too long, in $in_files files\n";
        exit 1;
    }
' "${files[@]}"
