
# What is in the workspace: services, and the migrations of the one that is named already.
_xtask_names() {
    local verb=$_xtask_line[3] previous=$_xtask_line[-2] service
    if [[ $_xtask_line[2] != db || $verb == (up|down|fix) ]]; then
        _default
        return
    fi
    service=${${(@)_xtask_line[4,-2]:#-*}[1]}
    [[ $previous == --to || $verb == resolve ]] || service=
    compadd -- ${(f)"$(cargo xtask completions zsh --names $service 2>/dev/null)"}
}

# `cargo xtask …` is completed as `xtask …`; everything else of cargo's as before.
_cargo_xtask() {
    if (( CURRENT > 2 )) && [[ $words[2] == xtask ]]; then
        shift words
        (( CURRENT -= 1 ))
        local -a _xtask_line=("${(@)words[1,CURRENT]}")
        _xtask
    else
        $_xtask_cargo
    fi
}
[[ $_comps[cargo] == _cargo_xtask ]] || _xtask_cargo=${_comps[cargo]:-_default}
compdef _cargo_xtask cargo
