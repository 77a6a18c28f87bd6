defmodule Stages do
  @moduledoc """
  Broadway's column: source, three stages and sink, as its guides write them.

  The producer answers demand, the stages are three steps of `handle_message`, the batcher's `handle_batch` is the sink, and
  the acknowledger tells the producer. One node for a whole run of the bench takes one command a line, `stages N`, and
  answers with one line: nanoseconds for one record, and the sum of what reached the sink.
  """
  use Broadway

  import Bitwise

  alias Broadway.Message

  # What was quickest on two cores, of 1 to 4 processors, 1 or 2 batch processors, demands of 30 to 2,000 and batches of 100
  # to 2,000. Every other setting is Broadway's own.
  @processors 2
  @batch_processors 1
  @max_demand 100
  @batch_size 200
  # The last batch may be a small one.
  @batch_timeout 5

  def main do
    Logger.configure(level: :none)
    {:ok, _} = Application.ensure_all_started(:broadway)
    IO.puts("broadway #{Application.spec(:broadway, :vsn)}")
    loop()
  end

  defp loop do
    case IO.gets("") do
      "stages " <> records ->
        {ns, sum} = sample(String.to_integer(String.trim(records)))
        IO.puts("#{ns} #{sum}")
        loop()

      _ ->
        System.halt(0)
    end
  end

  defp sample(records) do
    sum = :atomics.new(1, signed: false)

    {:ok, _} =
      Broadway.start_link(__MODULE__,
        name: __MODULE__,
        context: sum,
        producer: [module: {Source, records}, concurrency: 1],
        processors: [default: [concurrency: @processors, max_demand: @max_demand]],
        batchers: [
          default: [concurrency: @batch_processors, batch_size: @batch_size, batch_timeout: @batch_timeout]
        ]
      )

    [source] = Broadway.producer_names(__MODULE__)
    start = System.monotonic_time(:nanosecond)
    :ok = GenStage.call(source, :run, :infinity)
    took = System.monotonic_time(:nanosecond) - start
    Broadway.stop(__MODULE__)
    {took / records, :atomics.get(sum, 1)}
  end

  @impl true
  def handle_message(_processor, message, _sum) do
    message
    |> Message.update_data(&first/1)
    |> Message.update_data(&second/1)
    |> Message.update_data(&third/1)
  end

  @impl true
  def handle_batch(_batcher, messages, _info, sum) do
    total = Enum.reduce(messages, 0, fn message, total -> total + word(message.data) end)
    :atomics.add(sum, 1, total &&& 0xFFFFFFFFFFFFFFFF)
    messages
  end

  defp first(<<head::binary-size(4), _, tail::binary>>), do: <<head::binary, 1, tail::binary>>
  defp second(<<head::binary-size(5), _, tail::binary>>), do: <<head::binary, 2, tail::binary>>
  defp third(<<head::binary-size(6), _, tail::binary>>), do: <<head::binary, 3, tail::binary>>

  defp word(<<word::little-64, _::binary>>), do: word
end
