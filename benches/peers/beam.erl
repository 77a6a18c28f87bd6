%% The BEAM's column: one node for a whole run of the bench, which takes one command a line and answers with one line.
%%
%%   tell N | call N | ring N | many N | fan N | spawn N     nanoseconds for one operation
%%   restart N                                               nanoseconds: p50 p99
%%   family N                                                nanoseconds: p50 p99
%%   tree N                                                  nanoseconds: start of one child, p50 of a restart
%%   memory N                                                bytes for one idle process
%%   supervised N                                            bytes for one idle gen_server, and what a supervisor adds
%%
%% Processes are used as OTP's own code uses them: plain receive loops for tell, ring, 8 -> 1 and fan-out, gen_server
%% for calls, supervisors with gen_servers for restarts, and with bare proc_lib processes for trees.
-module(beam).
-export([main/0]).
-export([start_link/1, start_numbered/1, start_plain/0, plain/1, init/1, handle_call/3, handle_cast/2]).

-define(RING, 64).
-define(SENDERS, 8).
-define(FANS, 100).
-define(FAMILY, 10).
%% Few: OTP looks for the child that ended among all of them.
-define(CRASHES, 10).
-define(SETTLE, 50).
-define(INTENSITY, 1000000).

main() ->
    logger:set_primary_config(level, none),
    io:format("otp ~s~n", [erlang:system_info(otp_release)]),
    loop().

loop() ->
    case io:get_line("") of
        eof -> halt(0);
        {error, _} -> halt(1);
        Line ->
            [Word, Number] = string:lexemes(string:trim(Line), " "),
            %% Each sample has a process of its own, so that no heap is handed on.
            Self = self(),
            {_, Monitor} = spawn_monitor(fun() ->
                Self ! {answer, sample(list_to_atom(Word), list_to_integer(Number))}
            end),
            receive
                {answer, Numbers} ->
                    erlang:demonitor(Monitor, [flush]),
                    io:format("~s~n", [lists:join(" ", [float_to_list(N * 1.0, [{decimals, 3}]) || N <- Numbers])]);
                {'DOWN', Monitor, process, _, Why} ->
                    io:format("failed ~0p~n", [Why])
            end,
            loop()
    end.

sample(tell, N) -> per_op(N, fun() ->
        Counter = counter(N),
        send(Counter, N),
        await(1)
    end);
sample(call, N) ->
    {ok, Server} = gen_server:start_link(?MODULE, quiet, []),
    Sample = per_op(N, fun() -> calls(Server, N) end),
    unlink(Server),
    gen_server:stop(Server),
    Sample;
sample(ring, N) ->
    Self = self(),
    Last = spawn(fun() -> receive {next, First} -> hop(First, Self) end end),
    First = lists:foldl(fun(_, Next) -> spawn(fun() -> hop(Next, Self) end) end, Last, lists:seq(2, ?RING)),
    Last ! {next, First},
    per_op(N, fun() -> First ! N, await(1) end);
sample(many, N) ->
    Each = N div ?SENDERS,
    per_op(Each * ?SENDERS, fun() ->
        Counter = counter(Each * ?SENDERS),
        [spawn(fun() -> send(Counter, Each) end) || _ <- lists:seq(1, ?SENDERS)],
        await(1)
    end);
sample(fan, N) ->
    Each = N div ?FANS,
    Counters = [counter(Each) || _ <- lists:seq(1, ?FANS)],
    per_op(Each * ?FANS, fun() ->
        rounds(Counters, Each),
        await(?FANS)
    end);
sample(spawn, N) -> per_op(N, fun() -> spawned(N), await(N) end);
sample(restart, N) ->
    supervised(one_for_one, [child(child, {phoenix, self()})], fun() ->
        p50_p99([restarted() || _ <- lists:seq(1, N)])
    end);
sample(family, N) ->
    Self = self(),
    Children = [child(Place, {sibling, Place, Self}) || Place <- lists:seq(0, ?FAMILY - 1)],
    supervised(one_for_all, Children, fun() ->
        {Siblings, _} = all_heard(#{}, ?FAMILY, []),
        p50_p99(family(Siblings, 0, N))
    end);
sample(tree, N) -> tree(N);
sample(memory, N) ->
    Warm = [spawn(fun idle/0) || _ <- lists:seq(1, N div 100)],
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    Kept = [spawn(fun idle/0) || _ <- lists:seq(1, N)],
    [Last | _] = lists:reverse(Kept),
    Last ! {self(), there}, receive there -> ok end,
    After = erlang:memory(total),
    [exit(Pid, kill) || Pid <- Warm ++ Kept],
    [(After - Before) / N];
sample(supervised, N) ->
    Numbers = lists:seq(1, N),
    Alone = grown(N, fun() -> [start_alone() || _ <- Numbers] end, fun(Pids) -> [stop_alone(Pid) || Pid <- Pids] end),
    Children = fun() -> [child(Id, quiet) || Id <- Numbers] end,
    Fixed = grown(N, fun() -> start_supervisor(one_for_one, Children) end, fun stop_supervisor/1),
    Dynamic = grown_dynamic(N, child(quiet, quiet), fun(_) -> [] end),
    Argument = grown_dynamic(N, #{id => quiet, start => {?MODULE, start_numbered, []}}, fun(Id) -> [Id] end),
    [Alone, Fixed - Alone, Dynamic - Alone, Argument - Alone].

%% The shapes' parts.

counter(N) -> Self = self(), spawn(fun() -> count(N, Self) end).

count(0, Driver) -> Driver ! done;
count(N, Driver) -> receive {add, K} -> count(N - K, Driver) end.

send(_, 0) -> ok;
send(To, N) -> To ! {add, 1}, send(To, N - 1).

calls(_, 0) -> ok;
calls(Server, N) -> N1 = N + 1, N1 = gen_server:call(Server, {ask, N}), calls(Server, N - 1).

hop(Next, Driver) ->
    receive
        0 -> Driver ! done;
        Left -> Next ! Left - 1, hop(Next, Driver)
    end.

rounds(_, 0) -> ok;
rounds(Counters, N) -> [C ! {add, 1} || C <- Counters], rounds(Counters, N - 1).

spawned(0) -> ok;
spawned(N) -> counter(1) ! {add, 1}, spawned(N - 1).

idle() -> receive {From, there} -> From ! there, idle() end.

await(0) -> ok;
await(N) -> receive done -> await(N - 1) end.

per_op(N, Fun) ->
    Start = erlang:monotonic_time(nanosecond),
    Fun(),
    [(erlang:monotonic_time(nanosecond) - Start) / N].

%% Supervisors and their children.

grown_dynamic(N, Template, Arguments) ->
    grown(N, fun() ->
        Supervisor = start_supervisor(simple_one_for_one, fun() -> [Template] end),
        [{ok, _} = supervisor:start_child(Supervisor, Arguments(Id)) || Id <- lists:seq(1, N)],
        Supervisor
    end, fun stop_supervisor/1).

child(Id, Args) -> #{id => Id, start => {?MODULE, start_link, [Args]}}.

%% The specs are made by init, in the supervisor's own process, as supervisors do it.
start_supervisor(Strategy, Children) ->
    process_flag(trap_exit, true),
    Flags = #{strategy => Strategy, intensity => ?INTENSITY, period => 1},
    {ok, Supervisor} = supervisor:start_link(?MODULE, {supervisor, Flags, Children}),
    Supervisor.

start_alone() -> {ok, Pid} = gen_server:start(?MODULE, quiet, []), Pid.

stop_alone(Pid) ->
    Monitor = monitor(process, Pid),
    exit(Pid, kill),
    receive {'DOWN', Monitor, process, Pid, _} -> ok end.

stop_supervisor(Supervisor) ->
    exit(Supervisor, shutdown),
    receive {'EXIT', Supervisor, _} -> ok end.

supervised(Strategy, Children, Fun) ->
    Supervisor = start_supervisor(Strategy, fun() -> Children end),
    Sample = Fun(),
    stop_supervisor(Supervisor),
    Sample.

%% N children, one of which is the phoenix.
tree(N) ->
    Driver = self(),
    Phoenix = N div 2,
    Children = fun() -> [
        case Id of
            Phoenix -> child(Id, {phoenix, Driver});
            _ -> #{id => Id, start => {?MODULE, start_plain, []}}
        end
    || Id <- lists:seq(0, N - 1)] end,
    Begin = erlang:monotonic_time(nanosecond),
    Supervisor = start_supervisor(one_for_one, Children),
    Started = erlang:monotonic_time(nanosecond) - Begin,
    timer:sleep(?SETTLE),
    [P50, _] = p50_p99([restarted() || _ <- lists:seq(1, ?CRASHES)]),
    stop_supervisor(Supervisor),
    [Started / N, P50].

p50_p99(Times) ->
    Sorted = lists:sort(Times),
    [lists:nth(max(1, round(length(Sorted) * Part)), Sorted) || Part <- [0.5, 0.99]].

%% The children crash in turn.
family(_, N, N) -> [];
family(Siblings, Crash, N) ->
    gen_server:cast(maps:get(Crash rem ?FAMILY, Siblings), crash),
    Crashed = receive {crashed, Then} -> Then end,
    {Next, Heard} = all_heard(Siblings, ?FAMILY, []),
    [lists:max(Heard) - Crashed | family(Next, Crash + 1, N)].

%% Pings each child as it is born; when each of them heard it.
all_heard(Siblings, 0, Heard) -> {Siblings, Heard};
all_heard(Siblings, Left, Heard) ->
    receive
        {born, Place, Pid} ->
            gen_server:cast(Pid, {ping, self()}),
            all_heard(Siblings#{Place => Pid}, Left, Heard);
        {heard, At} ->
            all_heard(Siblings, Left - 1, [At | Heard])
    end.

%% The memory of what has ended is given back behind the scenes.
settle() ->
    timer:sleep(?SETTLE),
    erlang:garbage_collect().

%% Bytes for each of the N that Start starts.
grown(N, Start, Stop) ->
    settle(),
    Before = erlang:memory(total),
    Kept = Start(),
    settle(),
    After = erlang:memory(total),
    Stop(Kept),
    (After - Before) / N.

%% The next incarnation says hello from its init, so that a message can find it: a pid dies with its process.
restarted() ->
    receive {born, Child} ->
        gen_server:cast(Child, crash),
        Crashed = receive {crashed, Then} -> Then end,
        Next = receive {born, Pid} -> Pid end,
        gen_server:cast(Next, {ping, self()}),
        Heard = receive {heard, Now} -> Now end,
        self() ! {born, Next},
        Heard - Crashed
    end.

%% gen_server and supervisor callbacks.

start_link(Args) -> gen_server:start_link(?MODULE, Args, []).

init(quiet) -> {ok, quiet};
init({supervisor, Flags, Children}) -> {ok, {Flags, Children()}};
init({phoenix, Driver}) -> Driver ! {born, self()}, {ok, Driver};
init({sibling, Place, Driver}) -> Driver ! {born, Place, self()}, {ok, Driver}.

start_numbered(_Number) -> start_link(quiet).

start_plain() -> proc_lib:start_link(?MODULE, plain, [self()]).

plain(Parent) -> proc_lib:init_ack(Parent, {ok, self()}), idle().

handle_call({ask, N}, _From, State) -> {reply, N + 1, State}.

handle_cast({ping, Driver}, State) ->
    Driver ! {heard, erlang:monotonic_time(nanosecond)},
    {noreply, State};
handle_cast(crash, Driver) ->
    Driver ! {crashed, erlang:monotonic_time(nanosecond)},
    exit(crash).
