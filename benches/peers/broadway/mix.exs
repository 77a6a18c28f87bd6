defmodule Stages.MixProject do
  use Mix.Project

  def project do
    [
      app: :stages,
      version: "0.0.0",
      deps: deps(),
      # The versions are all given below; nothing is written to this folder.
      lockfile: Path.join(System.get_env("MIX_DEPS_PATH", "deps"), "mix.lock"),
      # Newer versions of Mix would not see a Broadway in ERL_LIBS.
      prune_code_paths: false
    ]
  end

  def application, do: [extra_applications: [:logger]]

  # Nothing is asked of Hex where a Broadway is installed already, in a folder of ERL_LIBS.
  defp deps do
    case :code.lib_dir(:broadway) do
      {:error, _} ->
        [{:broadway, "1.3.0"}, {:gen_stage, "1.3.2"}, {:nimble_options, "1.1.1"}, {:telemetry, "1.4.1"}]

      _ ->
        []
    end
  end
end
