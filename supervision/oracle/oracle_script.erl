%% The text of a script, parsed. What is malformed raises an error, which becomes the script's `error` line.
%%
%% A node of the tree is a map: kind (sup or child), path, id, spec (keys of OTP's child spec, those that were given),
%% starts, and for a supervisor flags and children, for a child stop and delay.
%% A dynamic child's path is the pair {Sup, K}; all others are binaries.
-module(oracle_script).
-export([parse/1, text/1]).

parse([<<"script ", Name/binary>> | Lines]) ->
    {Specs, [<<"run">> | Events]} = lists:splitwith(fun(Line) -> Line =/= <<"run">> end, Lines),
    [#{path := <<"root">>, kind := sup} = Root | Nodes] = [spec(words(Line)) || Line <- Specs],
    #{name => Name, root => tree(Root, Nodes), events => [{Line, event(words(Line))} || Line <- Events]}.

words(Line) ->
    binary:split(Line, <<" ">>, [global]).

tree(#{kind := child} = Node, _) ->
    Node;
tree(#{path := Path} = Sup, Nodes) ->
    Sup#{children => [tree(Node, Nodes) || #{parent := Above} = Node <- Nodes, Above =:= Path]}.

spec([<<"sup">>, Path | Keys]) -> node(sup, Path, Keys);
spec([<<"child">>, Path | Keys]) -> node(child, Path, Keys).

node(sup, <<"root">> = Path, Keys) ->
    keys(Keys, #{kind => sup, path => Path, flags => #{}});
node(Kind, Path, Keys) ->
    {Above, Id} = split(Path),
    keys(Keys, (defaults(Kind))#{kind => Kind, path => Path, parent => Above, id => Id, starts => starts([])}).

%% OTP would give a nested supervisor whose type says worker a shutdown of 5000.
defaults(sup) -> #{flags => #{}, spec => #{type => supervisor, shutdown => infinity}};
defaults(child) -> #{spec => #{}, stop => shutdown, delay => 0}.

keys(Keys, Node) ->
    lists:foldl(fun(Word, Into) ->
        [Key, Value] = binary:split(Word, <<"=">>),
        key(Key, Value, Into)
    end, Node, Keys).

key(<<"strategy">>, V, #{kind := sup} = Node) -> flag(strategy, atom(V), Node);
key(<<"intensity">>, V, #{kind := sup} = Node) -> flag(intensity, binary_to_integer(V), Node);
key(<<"period">>, V, #{kind := sup} = Node) -> flag(period, binary_to_integer(V), Node);
key(<<"auto_shutdown">>, V, #{kind := sup} = Node) -> flag(auto_shutdown, atom(V), Node);
key(<<"restart">>, V, Node) -> child_key(restart, atom(V), Node);
key(<<"significant">>, V, Node) -> child_key(significant, atom(V), Node);
key(<<"type">>, V, Node) -> child_key(type, atom(V), Node);
key(<<"shutdown">>, V, Node) -> child_key(shutdown, shutdown(V), Node);
key(<<"starts">>, V, Node) -> Node#{starts := starts(binary:split(V, <<",">>, [global]))};
key(<<"stop">>, V, #{kind := child} = Node) -> Node#{stop := reason(V)};
key(<<"delay">>, V, #{kind := child} = Node) -> Node#{delay := binary_to_integer(V)}.

flag(Key, Value, #{flags := Flags} = Node) -> Node#{flags := Flags#{Key => Value}}.

child_key(Key, Value, #{spec := Spec} = Node) -> Node#{spec := Spec#{Key => Value}}.

shutdown(<<"brutal_kill">>) -> brutal_kill;
shutdown(<<"infinity">>) -> infinity;
shutdown(Ms) -> binary_to_integer(Ms).

%% The counter is part of the spec line, hence counts on through every restart.
starts(Words) ->
    {counters:new(1, []), [start(Word) || Word <- Words]}.

start(<<"ok">>) -> ok;
start(<<"ignore">>) -> ignore;
start(<<"error">>) -> error.

reason(<<"{shutdown,", Rest/binary>>) ->
    [Word, <<>>] = binary:split(Rest, <<"}">>),
    {shutdown, atom(Word)};
reason(Word) ->
    atom(Word).

%% Script texts hold few different words, so the table of atoms does not grow.
atom(Word) -> binary_to_atom(Word).

event([<<"advance">>, Ms]) -> {advance, binary_to_integer(Ms)};
event([<<"now">>]) -> now;
event([<<"hold">>]) -> hold;
event([<<"release">>]) -> release;
event([<<"exit">>, Path, Reason]) -> {exit, path(Path), reason(Reason)};
event([<<"unlink">>, Path]) -> {unlink, path(Path)};
event([<<"stray_exit">>, Sup, Reason]) -> {stray_exit, Sup, reason(Reason)};
event([<<"parent_exit">>, Reason]) -> {parent_exit, reason(Reason)};
event([<<"start_child">>, Path | Keys]) ->
    #{parent := Sup} = Node = node(child, Path, Keys),
    {start_child, Sup, Node};
event([<<"start_dynamic">>, Path | Keys]) ->
    {Sup, _} = Dynamic = path(Path),
    {start_dynamic, Sup, Dynamic, maps:get(starts, keys(Keys, #{starts => starts([])}))};
event([Request, Sup]) when Request =:= <<"which_children">>; Request =:= <<"count_children">> ->
    {request, Sup, atom(Request)};
event([Request, Target]) when
    Request =:= <<"terminate_child">>; Request =:= <<"restart_child">>;
    Request =:= <<"delete_child">>; Request =:= <<"get_childspec">>
->
    case path(Target) of
        {Sup, _} = Dynamic -> {request, Sup, {atom(Request), Dynamic}};
        Path -> {Sup, Id} = split(Path), {request, Sup, {atom(Request), Id}}
    end.

path(Text) ->
    case binary:split(Text, <<"#">>) of
        [Sup, K] -> {Sup, binary_to_integer(K)};
        [Path] -> Path
    end.

split(Path) ->
    {At, 1} = lists:last(binary:matches(Path, <<"/">>)),
    <<Above:At/binary, "/", Id/binary>> = Path,
    {Above, Id}.

%% A path or a reason as traces have it.
text({shutdown, {failed_to_start_child, _, _}}) -> "{shutdown,failed_to_start_child}";
text({shutdown, Word}) -> ["{shutdown,", atom_to_binary(Word), "}"];
text({Sup, K}) -> [Sup, "#", integer_to_binary(K)];
text(Path) when is_binary(Path) -> Path;
text(Number) when is_integer(Number) -> integer_to_binary(Number);
text(Reason) when is_atom(Reason) -> atom_to_binary(Reason).
