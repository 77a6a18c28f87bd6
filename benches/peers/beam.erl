%% The BEAM's column: one node for a whole run of the bench, which takes one command a line and answers with one line.
%%
%%   tell N | call N | ring N | many N | fan N | spawn N     nanoseconds for one operation
%%   restart N                                               nanoseconds: p50 p99
%%   memory N                                                bytes for one idle process
%%
%% Processes are used as OTP's own code uses them: plain receive loops for tell, ring, 8 -> 1 and fan-out, gen_server
%% for calls, a one_for_one supervisor with a gen_server for restarts.
-module(beam).
-export([main/0]).
-export([start_link/1, init/1, handle_call/3, handle_cast/2]).

-define(RING, 64).
-define(SENDERS, 8).
-define(FANS, 100).

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
    process_flag(trap_exit, true),
    Self = self(),
    Flags = #{strategy => one_for_one, intensity => 1000000, period => 1},
    Child = #{id => child, start => {?MODULE, start_link, [{phoenix, Self}]}},
    {ok, Supervisor} = supervisor:start_link(?MODULE, {supervisor, Flags, [Child]}),
    Times = lists:sort([restarted() || _ <- lists:seq(1, N)]),
    exit(Supervisor, shutdown),
    receive {'EXIT', Supervisor, _} -> ok end,
    [lists:nth(max(1, round(N * 0.5)), Times), lists:nth(max(1, round(N * 0.99)), Times)];
sample(memory, N) ->
    Warm = [spawn(fun idle/0) || _ <- lists:seq(1, N div 100)],
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    Kept = [spawn(fun idle/0) || _ <- lists:seq(1, N)],
    [Last | _] = lists:reverse(Kept),
    Last ! {self(), there}, receive there -> ok end,
    After = erlang:memory(total),
    [exit(Pid, kill) || Pid <- Warm ++ Kept],
    [(After - Before) / N].

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
init({supervisor, Flags, Children}) -> {ok, {Flags, Children}};
init({phoenix, Driver}) -> Driver ! {born, self()}, {ok, Driver}.

handle_call({ask, N}, _From, State) -> {reply, N + 1, State}.

handle_cast({ping, Driver}, State) ->
    Driver ! {heard, erlang:monotonic_time(nanosecond)},
    {noreply, State};
handle_cast(crash, Driver) ->
    Driver ! {crashed, erlang:monotonic_time(nanosecond)},
    exit(crash).
