%% One script: gives the events, fires the virtual timers, writes the trace.
%%
%% The runner has a lower priority than all that the script starts, so that after a yield everything is idle. Then the
%% earliest timer fires, or, when there is none, the next event comes.
-module(oracle_run).
-export([trace/1]).

-import(oracle_script, [text/1]).

-record(run, {
    world, % the runner's pid and the clock
    above, % the process above root
    root, % a pid, or `gone`
    hold = none,
    living = #{}, % path => the pid last started under that name, and its kind
    paths = #{}, % pid => path, of every process there ever was
    kinds, % path => sup, for supervisors
    timers = [], % {ms, ordinal, timer, pid}, the earliest first
    ordinal = 0,
    lines = [] % the last one first
}).

trace(Lines) ->
    #{name := Name, root := Root, events := Events} = oracle_script:parse(Lines),
    World = {self(), counters:new(1, [])},
    Above = oracle_world:start_root(World, Root),
    Started = settle(#run{world = World, above = Above, kinds = supervisors(Root)}),
    #run{lines = Trace} = events(Events, Started),
    ["script ", Name, "\n", [[line(Line), "\n"] || Line <- lists:reverse(Trace)], "end\n"].

supervisors(#{path := Path, children := Children}) ->
    Below = [supervisors(Sup) || #{kind := sup} = Sup <- Children],
    lists:foldl(fun maps:merge/2, #{Path => sup}, Below).

events(_, #run{root = gone} = Run) ->
    Run;
events([], Run) ->
    Run;
events([{Line, Event} | Events], Run) ->
    events(Events, settle(event(Event, add(["> ", Line], Run)))).

%% Lets everything run until it is idle, with the clock moving as timers need it.
settle(Run) ->
    erlang:yield(),
    case hear(Run) of
        #run{timers = []} = Idle -> Idle;
        #run{timers = [{At, _, Timer, Pid} | Timers]} = Waiting ->
            %% A child that was killed no longer waits for its delay, and the clock must not either.
            case is_process_alive(Pid) of
                true ->
                    set_clock(At, Waiting),
                    Pid ! {timeout, Timer, kill};
                false ->
                    ok
            end,
            settle(Waiting#run{timers = Timers})
    end.

%% Takes in all that was told.
hear(Run) ->
    receive Message -> hear(heard(Message, Run)) after 0 -> Run end.

heard({start, Path, Started}, Run) -> started(Path, Started, Run);
heard({stop, Pid, Reason}, #run{paths = Paths} = Run) -> add({stop, maps:get(Pid, Paths), Reason}, Run);
heard({down, <<"root">>, _}, Run) -> Run;
heard({down, Path, Reason}, Run) -> add(["down ", Path, " ", text(Reason)], Run);
heard({report, Kind, Path, Reason}, Run) -> add(["report ", text(Kind), " ", Path, " ", text(Reason)], Run);
heard({start_timer, Pid, Timer, Ms}, #run{timers = Timers, ordinal = N} = Run) ->
    Run#run{timers = lists:sort([{clock(Run) + Ms, N, Timer, Pid} | Timers]), ordinal = N + 1};
heard({cancel_timer, Timer}, #run{timers = Timers} = Run) ->
    Run#run{timers = lists:keydelete(Timer, 3, Timers)};
heard({root, {ok, Root}}, Run) ->
    monitor(process, Root),
    started(<<"root">>, {ok, Root}, Run#run{root = Root});
heard({root, {error, Why}}, Run) ->
    (add(["start root error ", invalid(Why)], Run))#run{root = gone};
heard({'DOWN', _, process, Root, Reason}, #run{root = Root} = Run) ->
    (add(["down root ", text(Reason)], Run))#run{root = gone};
heard({{ret, Call, Target}, Reply}, Run) ->
    add(["ret ", text(Call), " ", text(Target), reply(Call, Reply, Run)], Run).

started(Path, {ok, Pid}, #run{living = Living, paths = Paths} = Run) ->
    add(["start ", text(Path), " ok"], Run#run{living = Living#{Path => Pid}, paths = Paths#{Pid => Path}});
started(Path, {error, _}, Run) ->
    started(Path, error, Run);
started(Path, Result, Run) ->
    add(["start ", text(Path), " ", text(Result)], Run).

invalid({shutdown, {failed_to_start_child, _, _}}) -> "failed_to_start_child";
invalid({start_spec, {duplicate_child_name, _}}) -> "duplicate_child_name";
invalid({start_spec, {bad_combination, _}}) -> "bad_combination".

%% Events.

event({advance, Ms}, Run) ->
    set_clock(clock(Run) + Ms, Run),
    Run;
event(now, Run) ->
    add(["ret now ", text(clock(Run))], Run);
event(hold, #run{root = Root, hold = none} = Run) ->
    Hold = make_ref(),
    Root ! {hold, Hold},
    Run#run{hold = Hold};
event(release, #run{root = Root, hold = Hold} = Run) when Hold =/= none ->
    Root ! {release, Hold},
    Run#run{hold = none};
event({parent_exit, Reason}, #run{above = Above} = Run) ->
    Above ! {parent_exit, Reason},
    Run;
event({exit, Path, Reason}, Run) ->
    Kind = kind(Path, Run),
    with(Path, Run, fun
        (Pid) when Reason =:= kill -> exit(Pid, kill);
        (Pid) when Kind =:= child -> Pid ! {exit, Reason}
    end);
event({unlink, Path}, Run) ->
    child = kind(Path, Run),
    with(Path, Run, fun(Pid) -> Pid ! unlink end);
event({stray_exit, Sup, Reason}, Run) ->
    with(Sup, Run, fun(Pid) -> Pid ! {'EXIT', self(), Reason} end);
event({start_child, Sup, #{path := Path} = Node}, #run{world = World} = Run) ->
    request(Sup, start_child, Path, {start_child, oracle_world:child_spec(World, Node)}, Run);
event({start_dynamic, Sup, Dynamic, Starts}, Run) ->
    request(Sup, start_dynamic, Dynamic, {start_child, [Dynamic, Starts]}, Run);
event({request, Sup, {Call, {_, _} = Dynamic}}, #run{living = Living} = Run) ->
    with(Sup, Run, fun(_) ->
        case Living of
            #{Dynamic := Pid} -> request(Sup, Call, Dynamic, {Call, Pid}, Run);
            _ -> no_process(Dynamic, Run)
        end
    end);
event({request, Sup, {Call, Id}}, Run) ->
    request(Sup, Call, <<Sup/binary, "/", Id/binary>>, {Call, Id}, Run);
event({request, Sup, Call}, Run) ->
    request(Sup, Call, Sup, Call, Run).

%% A gen_server call that does not wait: the reply is heard as the line of the trace that it makes.
request(Sup, Call, Target, Request, Run) ->
    with(Sup, Run, fun(Pid) -> Pid ! {'$gen_call', {self(), {ret, Call, Target}}, Request} end).

with(Path, #run{living = Living} = Run, Do) ->
    Pid = maps:get(Path, Living, none),
    case is_pid(Pid) andalso is_process_alive(Pid) of
        true ->
            case Do(Pid) of
                #run{} = Next -> Next;
                _ -> Run
            end;
        false ->
            no_process(Path, Run)
    end.

no_process(Path, Run) ->
    add(["no-process ", text(Path)], Run).

kind(Path, #run{kinds = Kinds}) ->
    maps:get(Path, Kinds, child).

clock(#run{world = {_, Clock}}) ->
    counters:get(Clock, 1).

set_clock(Ms, #run{world = {_, Clock}}) ->
    counters:put(Clock, 1, Ms).

%% The trace.

add(_, #run{root = gone} = Run) -> Run;
add(Line, #run{lines = Lines} = Run) -> Run#run{lines = insert(Line, Lines)}.

%% OTP stops dynamic children in the order of their pids' hashes; the trace has them by rising K.
insert({stop, {Sup, K}, _} = Line, [{stop, {Sup, Other}, _} = Later | Lines]) when Other > K ->
    [Later | insert(Line, Lines)];
insert(Line, Lines) ->
    [Line | Lines].

line({stop, Path, Reason}) -> ["stop ", text(Path), " ", text(Reason)];
line(Line) -> Line.

%% With the space before it: an empty list of children is no word.
reply(which_children, Children, Run) ->
    [[" ", which(Child)] || Child <- known(Children, Run)];
reply(count_children, Counts, _) ->
    [[" ", text(Key), "=", text(Count)] || {Key, Count} <- Counts];
reply(get_childspec, {ok, #{restart := R, significant := G, shutdown := S, type := T}}, _) ->
    [" ok restart=", text(R), " significant=", text(G), " shutdown=", text(S), " type=", text(T)];
reply(_, ok, _) -> " ok";
reply(_, {ok, undefined}, _) -> " ok undefined";
reply(_, {ok, Pid}, _) when is_pid(Pid) -> " ok pid";
reply(_, {error, Why}, _) -> [" error ", refusal(Why)].

refusal({already_started, _}) -> "already_started";
refusal({bad_combination, _}) -> "bad_combination";
refusal({shutdown, _} = Why) -> text(Why);
%% `start_child` gives the child's record along.
refusal({Why, Child}) when element(1, Child) =:= child -> text(Why);
refusal(Why) -> text(Why).

%% Dynamic children have no id; by rising K, the restarting ones last.
known([{undefined, _, _, _} | _] = Children, #run{paths = Paths}) ->
    lists:sort([
        case Child of
            restarting -> {unknown, restarting, Type};
            _ -> {_, K} = maps:get(Child, Paths), {K, Child, Type}
        end
     || {undefined, Child, Type, _} <- Children
    ]);
known(Children, _) ->
    [{Id, Child, Type} || {Id, Child, Type, _} <- Children].

which({Id, Child, Type}) ->
    [name(Id), ":", if is_pid(Child) -> "pid"; true -> text(Child) end, ":", text(Type)].

name(K) when is_integer(K) -> ["#", text(K)];
name(unknown) -> "#?";
name(Id) -> Id.
