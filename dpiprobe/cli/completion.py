"""`dpiprobe completion SHELL`: the script that lets a shell complete this command."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Examples:
      dpiprobe completion bash > ~/.local/share/bash-completion/completions/dpiprobe
      dpiprobe completion fish > ~/.config/fish/completions/dpiprobe.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # click knows all three
    click.echo(found(ctx.find_root().command, {}, "dpiprobe", "_DPIPROBE_COMPLETE").source())
