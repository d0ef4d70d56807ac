
# What is in the workspace: services, and the migrations of the one that is named already.
_@id@_names() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[2]} service='' word
    [[ ${COMP_WORDS[1]} == db && ${COMP_CWORD} -ge 3 && ${current} != -* ]] || return
    case ${verb} in up | down | fix) return ;; esac
    for word in "${COMP_WORDS[@]:3:COMP_CWORD-3}"; do
        [[ ${word} == -* ]] || { service=${word}; break; }
    done
    [[ -n ${service} && (${previous} == --to || ${verb} == resolve) ]] || service=''
    COMPREPLY+=($(compgen -W "$(@ask@ bash --names ${service} 2>/dev/null)" -- "${current}"))
}

# `cargo @word@ …` is completed as `@line@ …`; everything else of cargo's as before.
_cargo_@word@() {
    if [[ ${COMP_CWORD} -ge 2 && ${COMP_WORDS[1]} == @word@ ]]; then
        COMP_WORDS=(@program@ "${COMP_WORDS[@]:@skipped@}")
        COMP_CWORD=$((COMP_CWORD + 1 - @skipped@))
        _@program@ @program@ "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        _@id@_names
    elif declare -F _cargo >/dev/null; then
        _cargo "$@"
    fi
}
complete -F _cargo_@word@ -o bashdefault -o default cargo
