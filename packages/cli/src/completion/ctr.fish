# fish completion of ctr; in ~/.config/fish/config.fish: ctr completion fish | source
function __ctr_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l answer ($program __complete $words "$current" 2>/dev/null </dev/null)
    switch "$answer[1]"
        case files
            __fish_complete_path "$current"
        case directories
            __fish_complete_directories "$current" ""
        case words
            set -e answer[1]
            printf '%s\n' $answer
    end
end
complete -c ctr -f -a '(__ctr_complete)'
