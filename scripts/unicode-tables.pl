#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Writes policy/regex_unicode_*.c from the Unicode data that Perl carries (5.36 of Debian 12:
# Unicode 14, as RE2 there has). To be run by hand when another version of Unicode is wanted:
#   scripts/unicode-tables.pl && clang-format -i policy/regex_unicode_{category,script,fold}.c
use strict;
use warnings;
use Unicode::UCD qw(prop_invmap);

my $version = Unicode::UCD::UnicodeVersion();

sub open_table {
	my ($name, $what) = @_;
	open(my $out, '>', "policy/regex_unicode_$name.c") or die "regex_unicode_$name.c: $!";
	print $out "// SPDX-License-Identifier: Apache-2.0\n",
		"/* $what of Unicode $version; made by scripts/unicode-tables.pl. */\n",
		"#include \"policy/regex_internal.h\"\n\n";
	return $out;
}

# Runs of one value, and the names of the values; those in %$nameless get the empty one.
sub write_property {
	my ($file, $variable, $property, $what, $nameless, $grouped) = @_;
	my ($starts, $values) = prop_invmap($property);
	my $out = open_table($file, $what);
	my %numbers = ('' => 0);
	my @names = ('');
	my @runs;
	my $last = -1;
	for my $i (0 .. $#$starts) {
		last if $starts->[$i] > 0x10ffff;
		my $name = $nameless->{$values->[$i]} ? '' : $values->[$i];
		if (!exists $numbers{$name}) {
			$numbers{$name} = @names;
			push @names, $name;
		}
		next if $numbers{$name} == $last;
		$last = $numbers{$name};
		push @runs, sprintf('0x%x', $starts->[$i] << 8 | $last);
	}
	die "too many values" if @names > 256;
	print $out "static const uint32_t runs[] = {\n", join(', ', @runs), ",\n};\n\n";
	print $out "static const char *const names[] = {\n",
		join(', ', map { "\"$_\"" } @names), ",\n};\n\n";
	print $out "const struct rune_property $variable = {\n",
		".runs = runs,\n.run_count = sizeof(runs) / sizeof(*runs),\n",
		".names = names,\n.name_count = sizeof(names) / sizeof(*names),\n",
		".grouped = $grouped,\n};\n";
	close($out);
}

# The next one in each circle of code points that have the same simple case folding.
sub fold_circles {
	my ($starts, $values) = prop_invmap('Simple_Case_Folding');
	my (%members, %next);
	for my $i (0 .. $#$starts) {
		next unless $values->[$i]; # 0: folds to itself
		for my $rune ($starts->[$i] .. $starts->[$i + 1] - 1) {
			push @{$members{$values->[$i] + $rune - $starts->[$i]}}, $rune;
		}
	}
	for my $target (keys %members) {
		my @circle = sort { $a <=> $b } ($target, @{$members{$target}});
		$next{$circle[$_]} = $circle[($_ + 1) % @circle] for 0 .. $#circle;
	}
	return \%next;
}

sub write_folds {
	my $next = fold_circles();
	my $out = open_table('fold', 'Simple case folding');
	my @runes = sort { $a <=> $b } keys %$next;
	my $delta = sub { $next->{$_[0]} - $_[0] };
	my $i = 0;
	print $out "const struct rune_fold regex_unicode_folds[] = {\n";
	while ($i < @runes) {
		my ($low, $d, $j) = ($runes[$i], $delta->($runes[$i]), $i);
		if ($d == 1 && $i + 1 < @runes && $delta->($low + 1) == -1) {
			$j += 2 while $j + 3 < @runes && $runes[$j + 2] == $runes[$j] + 2 &&
				$delta->($runes[$j + 2]) == 1 &&
				$runes[$j + 3] == $runes[$j] + 3 && $delta->($runes[$j + 3]) == -1;
			$j++;
			$d = 0;
		} else {
			$j++ while $j + 1 < @runes && $runes[$j + 1] == $runes[$j] + 1 &&
				$delta->($runes[$j + 1]) == $d;
		}
		printf $out "{ 0x%x, 0x%x, %d },\n", $low, $runes[$j], $d;
		$i = $j + 1;
	}
	print $out "};\n\nconst size_t regex_unicode_fold_count =\n",
		"sizeof(regex_unicode_folds) / sizeof(*regex_unicode_folds);\n";
	close($out);
}

write_property('category', 'regex_unicode_categories', 'General_Category',
	'General categories', { Cn => 1 }, 'true');
write_property('script', 'regex_unicode_scripts', 'Script', 'Scripts', { Unknown => 1 }, 'false');
write_folds();
