
# What is in the workspace: services, and the migrations of the one that is named already.
_@id@_names() {
    local verb=$_@id@_line[3] previous=$_@id@_line[-2] service
    if [[ $_@id@_line[2] != db || $verb == (up|down|fix) ]]; then
        _default
        return
    fi
    service=${${(@)_@id@_line[4,-2]:#-*}[1]}
    [[ $previous == --to || $verb == resolve ]] || service=
    compadd -- ${(f)"$(@ask@ zsh --names $service 2>/dev/null)"}
}

# `cargo @word@ …` is completed as `@line@ …`; everything else of cargo's as before.
_cargo_@word@() {
    if (( CURRENT > 2 )) && [[ $words[2] == @word@ ]]; then
        words=(@program@ "${(@)words[@skipped@ + 1,-1]}")
        (( CURRENT += 1 - @skipped@ ))
        local -a _@id@_line=("${(@)words[1,CURRENT]}")
        _@program@
    else
        $_@id@_cargo
    fi
}
[[ $_comps[cargo] == _cargo_@word@ ]] || _@id@_cargo=${_comps[cargo]:-_default}
compdef _cargo_@word@ cargo
