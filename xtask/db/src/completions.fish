
# What is in the workspace: services, and the migrations of the one that is named already.
function __xtask_names
    set -l words (commandline -opc)
    contains -- $words[3] up down fix; and return
    set -l service (string match --invert -- '-*' $words[4..-1])[1]
    test "$words[-1]" = --to -o "$words[3]" = resolve; or set service
    cargo xtask completions fish --names $service 2>/dev/null
end
complete -c xtask -n '__fish_seen_subcommand_from db' -f -a '(__xtask_names)'
complete -c xtask -n '__fish_seen_subcommand_from db' -l to -x -a '(__xtask_names)'

# `cargo xtask …` is completed as `xtask …`; everything else of cargo's as before.
complete -c cargo -n 'test "$(commandline -opc)[2]" = xtask' -f -a '(complete -C (string replace -r "^\s*cargo\s+" "" -- (commandline -cp)))'
