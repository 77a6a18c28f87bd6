%% The Erlang side of the supervisor oracle: reads scripts on standard input, runs each against OTP's own supervisor in
%% virtual time, and prints the traces on standard output.
%%
%%   erlc -o FOLDER oracle*.erl
%%   erl +S 1:1 -noinput -pa FOLDER -s oracle main [-extra --reports] < SCRIPTS
%%
%%   oracle          batches: input, output, one process for each script
%%   oracle_otp      OTP's supervisor.erl, with clock and timers replaced
%%   oracle_script   the text of a script, parsed
%%   oracle_run      one script: events, virtual timers, the trace
%%   oracle_world    what the script starts: supervisors and children
%%
%% Idleness is by priority, on one scheduler: supervisors and children run at `high`, the runner of a script at `normal`,
%% so that it runs only when they have nothing left to do. This process runs at `max`, because it ends a script that
%% goes round in circles at `high`.
-module(oracle).
-export([main/0]).

%% A script takes about a millisecond.
-define(SCRIPT_LIMIT_MS, 20000).

main() ->
    Flags = init:get_plain_arguments(),
    try
        check_system(Flags),
        oracle_otp:load(lists:member("--reports", Flags)),
        preload()
    catch
        throw:Refusal -> refuse(Refusal)
    end,
    process_flag(priority, max),
    Port = open_port({fd, 0, 1}, [stream, binary, eof]),
    read(#{port => Port, system => processes(), modules => erlang:loaded(), rest => <<>>, script => []}).

check_system(Flags) ->
    case [Flag || Flag <- Flags, Flag =/= "--reports"] of
        [] -> ok;
        Unknown -> throw({"unknown flags: ~p; there is --reports", [Unknown]})
    end,
    case erlang:system_info(otp_release) of
        "25" -> ok;
        Release -> throw({"this is OTP ~s, and traces are those of OTP 25", [Release]})
    end,
    case {erlang:system_info(schedulers), init:get_argument(noinput)} of
        {1, {ok, _}} -> ok;
        _ -> throw({"start erl with +S 1:1 -noinput: idleness needs one scheduler, the scripts need standard input", []})
    end.

refuse({Format, Values}) ->
    io:format(standard_error, "oracle: " ++ Format ++ "~n", Values),
    halt(2, [{flush, true}]).

%% A supervisor that waits for the system looks idle. It does so at the first call of a module that is not loaded, for
%% the code server; and when a module first asks the logger, which then writes a persistent term.
preload() ->
    ok = code:ensure_modules_loaded([
        oracle_run, oracle_script, oracle_world, gen, gen_server, proc_lib, sys, logger, lists, maps, binary, error_logger
    ]),
    ok = logger:set_primary_config(level, none),
    [false = logger:allow(error, Module) || Module <- [gen, gen_server, proc_lib, otp_supervisor]],
    ok.

read(#{port := Port, rest := Rest} = Reader) ->
    receive
        {Port, {data, Bytes}} ->
            [Last | Lines] = lists:reverse(binary:split(<<Rest/binary, Bytes/binary>>, <<"\n">>, [global])),
            read(lists:foldr(fun line/2, Reader#{rest := Last}, Lines));
        {Port, eof} ->
            #{script := Open} = line(Rest, Reader),
            [print(Port, broken(lists:reverse(Open), "no `end`")) || Open =/= []],
            check_modules(Reader),
            halt(0, [{flush, true}])
    end.

check_modules(#{modules := Preloaded}) ->
    case erlang:loaded() -- Preloaded of
        [] -> ok;
        Late -> refuse({"traces may be wrong, add to the modules that are preloaded: ~0p", [Late]})
    end.

line(<<>>, Reader) ->
    Reader;
line(<<"end">>, #{port := Port, script := Lines, system := System} = Reader) ->
    print(Port, trace(lists:reverse(Lines), System)),
    Reader#{script := []};
line(Line, #{script := Lines} = Reader) ->
    Reader#{script := [Line | Lines]}.

print(Port, Trace) ->
    port_command(Port, Trace).

trace(Lines, System) ->
    Self = self(),
    {Runner, Monitor} = spawn_opt(fun() -> Self ! {self(), oracle_run:trace(Lines)} end, [monitor, {priority, normal}]),
    Trace =
        receive
            {'DOWN', Monitor, process, Runner, normal} -> receive {Runner, Printed} -> Printed end;
            {'DOWN', Monitor, process, Runner, Why} -> broken(Lines, io_lib:format("~0tp", [Why]))
        after ?SCRIPT_LIMIT_MS ->
            exit(Runner, kill),
            broken(Lines, "takes too long")
        end,
    clean(System),
    Trace.

broken([Name | _], Why) ->
    [Name, "\nerror ", Why, "\nend\n"].

%% Nothing survives a script, be it orphans, or supervisors that never became idle.
clean(System) ->
    case processes() -- System of
        [] ->
            ok;
        Left ->
            [exit(Pid, kill) || Pid <- Left],
            %% The dying run at a lower priority than this process.
            receive after 0 -> ok end,
            process_flag(priority, low),
            erlang:yield(),
            process_flag(priority, max),
            clean(System)
    end.
