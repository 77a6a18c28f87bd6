%% What a script starts: supervisors and their children, and the virtual time that they live in.
%%
%% A supervisor is a gen_server around OTP's own callbacks; this module hands everything on to them and tells the runner
%% what the trace shows. A World is the pair of the runner's pid and the clock, which counts milliseconds.
-module(oracle_world).
-export([start_root/2, child_spec/2]).
-export([start_supervisor/2, start_worker/2, start_dynamic/4, worker/4]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export([seconds/0, start_timer/1, cancel_timer/1, stopped/2, report/4]).

%% The process above root: it carries out `parent_exit`.
start_root({Runner, _} = World, Root) ->
    spawn_opt(fun() ->
        process_flag(trap_exit, true),
        Started = supervisor(World, Root),
        Runner ! {root, Started},
        above_root(Started)
    end, [{priority, high}]).

above_root({ok, Root} = Started) ->
    receive
        {parent_exit, Reason} -> exit(Root, Reason), above_root(Started);
        {'EXIT', Root, _} -> above_root(Started)
    end;
above_root({error, _}) ->
    ok.

child_spec(World, #{kind := Kind, id := Id, spec := Spec} = Node) ->
    Start = case Kind of sup -> start_supervisor; child -> start_worker end,
    Spec#{id => Id, start => {?MODULE, Start, [World, Node]}}.

template_spec(World, #{id := Id, spec := Spec} = Node) ->
    Spec#{id => Id, start => {?MODULE, start_dynamic, [World, Node]}}.

%% Starts: each runs in the supervisor's process, as OTP has it.

start_supervisor(World, #{path := Path, starts := Starts} = Node) ->
    attempt(World, Path, Starts, fun() -> supervisor(World, Node) end).

start_worker(World, #{path := Path, starts := Starts, stop := Stop, delay := Delay}) ->
    attempt(World, Path, Starts, fun() -> start_link(World, Stop, Delay) end).

start_dynamic(World, #{stop := Stop, delay := Delay}, Path, Starts) ->
    attempt(World, Path, Starts, fun() -> start_link(World, Stop, Delay) end).

attempt({Runner, _}, Path, {Counter, Results}, Start) ->
    Tried = counters:get(Counter, 1),
    counters:put(Counter, 1, Tried + 1),
    case lists:nthtail(min(Tried, length(Results)), Results) of
        [ignore | _] ->
            Runner ! {start, Path, ignore},
            ignore;
        [error | _] ->
            Runner ! {start, Path, error},
            {error, nope};
        _ ->
            Started = Start(),
            Runner ! {start, Path, Started},
            Started
    end.

supervisor(World, #{path := Path} = Node) ->
    gen_server:start_link(?MODULE, {Path, ?MODULE, {World, Node}}, [{spawn_opt, [{priority, high}]}]).

%% Waits until the child traps exits: a stop that came earlier would end it with a reason that the script did not choose.
start_link(World, Stop, Delay) ->
    Pid = spawn_opt(?MODULE, worker, [self(), World, Stop, Delay], [link, {priority, high}]),
    receive {Pid, ready} -> {ok, Pid} end.

%% Children.

worker(Above, World, Stop, Delay) ->
    process_flag(trap_exit, true),
    put(world, World),
    Above ! {self(), ready},
    work(Above, Stop, Delay).

work(Above, Stop, Delay) ->
    receive
        {exit, Reason} ->
            exit(Reason);
        unlink ->
            unlink(Above),
            work(Above, Stop, Delay);
        {'EXIT', Above, shutdown} when Stop =:= never ->
            work(Above, Stop, Delay);
        {'EXIT', Above, shutdown} ->
            Timer = start_timer(Delay),
            receive
                {timeout, Timer, kill} -> exit(Stop);
                {'EXIT', Above, Reason} -> exit(Reason)
            end;
        {'EXIT', Above, Reason} ->
            %% The supervisor was killed; while it lives it asks with `shutdown` only.
            exit(Reason)
    end.

%% Supervisors. OTP's supervisor calls `init/1` of its callback module for the specs, gen_server that of its own: both
%% are here.

init({World, #{flags := Flags, children := Nodes}}) ->
    Spec = case Flags of
        #{strategy := simple_one_for_one} -> fun template_spec/2;
        _ -> fun child_spec/2
    end,
    {ok, {Flags, [Spec(World, Node) || Node <- Nodes]}};
init({Path, _, {World, _}} = Start) ->
    put(path, Path),
    put(world, World),
    otp_supervisor:init(Start).

handle_call(Request, From, State) ->
    otp_supervisor:handle_call(Request, From, State).

handle_cast(Message, State) ->
    accord(otp_supervisor:handle_cast(Message, State)).

handle_info({hold, Hold}, State) ->
    receive {release, Hold} -> {noreply, State} end;
handle_info(Message, State) ->
    accord(otp_supervisor:handle_info(Message, State)).

accord({stop, _, _} = Stop) ->
    put(own_accord, true),
    Stop;
accord(Next) ->
    Next.

terminate(Reason, State) ->
    otp_supervisor:terminate(Reason, State),
    [tell({down, get(path), Reason}) || get(own_accord) =:= true],
    ok.

%% What OTP's code calls in place of the clock, the timers and the logger.

seconds() ->
    {_, Clock} = get(world),
    counters:get(Clock, 1) div 1000.

start_timer(infinity) ->
    none;
start_timer(Ms) ->
    Timer = make_ref(),
    tell({start_timer, self(), Timer, Ms}),
    Timer.

cancel_timer(none) -> ok;
cancel_timer(Timer) -> tell({cancel_timer, Timer}).

stopped(Pid, Reason) ->
    tell({stop, Pid, Reason}),
    Reason.

report(_, error, #{label := {supervisor, Kind}, report := Report}, _) ->
    {_, Sup} = lists:keyfind(supervisor, 1, Report),
    {_, Reason} = lists:keyfind(reason, 1, Report),
    {_, Child} = lists:keyfind(offender, 1, Report),
    {_, Id} = lists:keyfind(id, 1, Child),
    tell({report, Kind, [Sup, "/", Id], Reason});
report(_, _, _, _) ->
    ok.

tell(Message) ->
    {Runner, _} = get(world),
    Runner ! Message.
