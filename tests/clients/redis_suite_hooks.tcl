
# Appended to the suite's support files by redis_suite.py. A failed test sends the evidence that classifies it: the distinct commands that it sent
# and the distinct error replies that it received. Its connection is then replaced, so that an unfinished transaction cannot fail the next test.
set ::sent_commands {}
set ::error_replies {}
set ::refused_settings {}

# Every test begins with a DEBUG LOG of its own name, which servers may refuse. Neither that command nor its reply counts.
# The command that COMMAND INFO or GETKEYS is asked about counts as sent.
proc note_command {words operation} {
    lassign $words - - command arguments
    lassign $arguments first second
    if {[string equal -nocase "$command $first" {debug log}] || [info commands ::redis::__method__$command] ne {}} {
        return
    }
    set names [list $command]
    if {[string equal -nocase $command command] && [string match -nocase {[ig]*} $first]} {
        lappend names $second
    }
    foreach name [string tolower $names] {
        if {$name ni $::sent_commands} {
            lappend ::sent_commands $name
        }
    }
}
trace add execution ::redis::__dispatch__raw__ enter note_command

proc note_error_reply {words code reply operation} {
    if {$code == 1 && $reply ni $::error_replies && ![string match "*'debug'*'log'*###*" $reply]} {
        lappend ::error_replies $reply
    }
}
trace add execution ::redis::redis_read_reply leave note_error_reply

rename test test_of_the_suite
proc test {name code {okpattern undefined} {tags {}}} {
    set failed_before $::num_failed
    set ::sent_commands {}
    set ::error_replies {}
    uplevel 1 [list test_of_the_suite $name $code $okpattern $tags]
    if {$::num_failed == $failed_before} {
        return
    }
    send_data_packet $::test_server_fd sent_commands $::sent_commands
    foreach reply [concat $::error_replies $::refused_settings] {
        send_data_packet $::test_server_fd error_reply [string map {\n { }} $reply]
    }
    catch {reconnect}
}

# A block of tests begins with FUNCTION FLUSH and with settings of its own, which a store may not have.
proc begin_block {} {
    set ::refused_settings {}
    catch {r function flush}
}

proc change_setting {setting value} {
    if {[catch {r config set $setting $value} reply]} {
        lappend ::refused_settings $reply
    }
}
