defmodule Source do
  @moduledoc "Makes so many records as it is asked to, from `:run` on, and answers that when all are acknowledged."
  use GenStage

  alias Broadway.Message

  @behaviour Broadway.Producer
  @behaviour Broadway.Acknowledger

  @impl GenStage
  def init(records) do
    {:producer, %{next: 0, records: records, open: records, demand: 0, runner: nil}}
  end

  @impl GenStage
  def handle_call(:run, runner, state), do: emit(%{state | runner: runner})

  @impl GenStage
  def handle_demand(more, state), do: emit(%{state | demand: state.demand + more})

  @impl GenStage
  def handle_info({:acknowledged, count}, state) do
    open = state.open - count
    if open == 0, do: GenStage.reply(state.runner, :ok)
    {:noreply, [], %{state | open: open}}
  end

  @impl Broadway.Acknowledger
  def ack(source, successful, []) do
    send(source, {:acknowledged, length(successful)})
    :ok
  end

  defp emit(%{runner: nil} = state), do: {:noreply, [], state}

  defp emit(%{next: next, demand: demand, records: records} = state) do
    last = min(next + demand, records)
    messages = messages(next, last, {__MODULE__, self(), nil})
    {:noreply, messages, %{state | next: last, demand: demand - (last - next)}}
  end

  defp messages(last, last, _acknowledger), do: []

  defp messages(next, last, acknowledger) do
    [%Message{data: payload(next), acknowledger: acknowledger} | messages(next + 1, last, acknowledger)]
  end

  # Quicker than `:binary.copy`.
  defp payload(n) do
    <<n::little-64, n::little-64, n::little-64, n::little-64, n::little-64, n::little-64, n::little-64, n::little-64,
      n::little-64, n::little-64, n::little-64, n::little-64, n::little-64, n::little-64, n::little-64, n::little-64>>
  end
end
