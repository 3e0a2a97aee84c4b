# bash completion of ctr; in ~/.bashrc: source <(ctr completion bash)
_ctr_complete() {
    local line=${COMP_LINE:0:COMP_POINT} words=() answer=() current cut candidate
    COMPREPLY=()
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]} - 1]}
    mapfile -t answer < <("${1/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null </dev/null)
    case ${answer[0]} in
        files) compopt -o default ;;
        directories) compopt -o dirnames ;;
        words)
            cut=${current%"${current##*["$COMP_WORDBREAKS"]}"}
            for candidate in "${answer[@]:1}"; do
                candidate=${candidate%%$'\t'*}
                COMPREPLY+=("${candidate#"$cut"}")
            done
            ;;
    esac
}
complete -F _ctr_complete ctr
