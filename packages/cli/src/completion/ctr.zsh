#compdef ctr
# zsh completion of ctr; in ~/.zshrc, after compinit: source <(ctr completion zsh)
_ctr() {
    local -a answer names shown
    local line
    answer=("${(@f)$(${(Q)words[1]} __complete "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null </dev/null)}")
    case $answer[1] in
        files) _files ;;
        directories) _files -/ ;;
        words)
            for line in "${(@)answer[2,-1]}"; do
                names+=("${line%%$'\t'*}")
                shown+=("${line/$'\t'/  -- }")
            done
            compadd -l -d shown -a names
            ;;
    esac
}
if [[ $funcstack[1] == _ctr ]]; then _ctr "$@"; else compdef _ctr ctr; fi
