%% OTP's supervisor.erl as the module `otp_supervisor`: the installed source, with the clock and the timers replaced, and
%% a word to the trace wherever a stopped child's exit is taken in. Everything else is as OTP has it.
-module(oracle_otp).
-export([load/1]).

%% How often each place is found in supervisor.erl of stdlib 4.2. Another count means that OTP has changed, and that the
%% virtual clock might no longer cover it.
-define(PLACES, #{module => 1, clock => 1, shutdown => 1, start_timer => 1, cancel_timer => 1, stopped => 5, log => 11}).

load(Reports) ->
    put(found, #{}),
    Forms = [replace(Form, Reports) || Form <- source(), wanted(Form)],
    get(found) =:= ?PLACES orelse throw({"supervisor.erl is not that of stdlib 4.2: found ~0p", [get(found)]}),
    {ok, Module, Code} = compile:forms(Forms, [return_errors]),
    {module, Module} = code:load_binary(Module, "supervisor.erl", Code).

source() ->
    File = filename:join(code:lib_dir(stdlib, src), "supervisor.erl"),
    case epp:parse_file(File, [{includes, [code:lib_dir(kernel, include)]}]) of
        {ok, Forms} -> Forms;
        {error, Why} -> throw({"cannot read ~s (~0p): install erlang-src", [File, Why]})
    end.

wanted({attribute, _, file, _}) -> false;
wanted(_) -> true.

replace(Node, Reports) ->
    case place(Node, Reports) of
        {Place, New} ->
            put(found, maps:update_with(Place, fun(N) -> N + 1 end, 1, get(found))),
            New;
        inside when is_tuple(Node) ->
            list_to_tuple(replace(tuple_to_list(Node), Reports));
        inside when is_list(Node) ->
            [replace(Part, Reports) || Part <- Node];
        inside ->
            Node
    end.

place({attribute, At, module, supervisor}, _) ->
    {module, {attribute, At, module, otp_supervisor}};
place({call, At, {remote, _, {atom, _, erlang}, {atom, _, monotonic_time}}, [{integer, _, 1}]}, _) ->
    {clock, world(At, seconds, [])};
place({'receive', At, Clauses, {var, _, 'Time'} = Time, After}, _) ->
    {shutdown, timed_receive(At, Clauses, Time, After)};
place({call, At, {remote, _, {atom, _, erlang}, {atom, _, start_timer}}, [Time, _Self, {atom, _, kill}]}, _) ->
    {start_timer, world(At, start_timer, [Time])};
place({call, At, {remote, _, {atom, _, erlang}, {atom, _, cancel_timer}}, [Timer]}, _) ->
    {cancel_timer, world(At, cancel_timer, [Timer])};
place({call, At, {atom, _, unlink_flush}, [Pid, _]} = Call, _) ->
    {stopped, world(At, stopped, [Pid, Call])};
place({'case', At, {call, _, {remote, _, {atom, _, logger}, {atom, _, allow}}, _}, Clauses}, Reports) ->
    {log, log(At, Clauses, Reports)};
place(_, _) ->
    inside.

%% `receive ... after Time` becomes a receive that also takes the message of a virtual timer.
timed_receive(At, Clauses, Time, After) ->
    Timer = {var, At, 'OracleTimer'},
    Outcome = {var, At, 'OracleOutcome'},
    Expired = {clause, At, [{tuple, At, [{atom, At, timeout}, Timer, {atom, At, kill}]}], [], After},
    {block, At, [
        {match, At, Timer, world(At, start_timer, [Time])},
        {match, At, Outcome, {'receive', At, replace(Clauses ++ [Expired], false)}},
        world(At, cancel_timer, [Timer]),
        Outcome
    ]}.

%% `case logger:allow(..) of true -> apply(logger, macro_log, [Where, Level, Report, Meta])`: without reports no log call
%% is left at all.
log(At, _, false) ->
    {atom, At, ok};
log(At, [{clause, _, [{atom, _, true}], [], [{call, _, _Apply, [_Logger, _MacroLog, Args]}]} | _], true) ->
    {call, At, {remote, At, {atom, At, erlang}, {atom, At, apply}}, [{atom, At, oracle_world}, {atom, At, report}, Args]}.

world(At, Function, Args) ->
    {call, At, {remote, At, {atom, At, oracle_world}, {atom, At, Function}}, Args}.
