
# What is in the workspace: services, and the migrations of the one that is named already.
function __@id@_names
    set -l words (commandline -opc)
    contains -- $words[3] up down fix; and return
    set -l service (string match --invert -- '-*' $words[4..-1])[1]
    test "$words[-1]" = --to -o "$words[3]" = resolve; or set service
    @ask@ fish --names $service 2>/dev/null
end
complete -c @program@ -n '__fish_seen_subcommand_from db' -f -a '(__@id@_names)'
complete -c @program@ -n '__fish_seen_subcommand_from db' -l to -x -a '(__@id@_names)'

# `cargo @word@ …` is completed as `@line@ …`; everything else of cargo's as before.
complete -c cargo -n 'test "$(commandline -opc)[2]" = @word@' -f -a '(complete -C (string replace -r "^\s*cargo\s+@word@" "@line@" -- (commandline -cp)))'
