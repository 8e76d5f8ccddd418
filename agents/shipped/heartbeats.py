"""Heartbeats: which processes of the site beat, how long the oldest beat is ago, and one alarm for all of them."""

from agents import Agent, Inputs, Output, Outputs, run_alone

agent = Agent(
    interval=2,
    description="Whether every process of the site beats",
    inputs={"beats": "*:SYS:*:HEARTBEAT"},
    outputs=[
        Output("N", "Processes that should beat", kind="int"),
        Output("N_BEATING", "Processes that beat", kind="int"),
        Output("N_SILENT", "Processes that do not beat", kind="int", high=1, hihi=3, alarm_delay_s=20, guidance="service-lost"),
        Output("OLDEST_AGE", "Time since the oldest of the beats", unit="s", precision=1),
        Output("WHO", "A process that does not beat", kind="text"),
    ],
    require="none",
    parameters={"silent_after_s": 5.0},
)


def work(inputs: Inputs) -> Outputs:
    """One run."""
    beats = inputs["beats"]
    limit = inputs.parameters["silent_after_s"]
    silent = [pv.split(":")[2] for pv, beat in beats.items() if not beat.valid or beat.age_s is None or beat.age_s > limit]
    return {
        "N": len(beats),
        "N_BEATING": len(beats) - len(silent),
        "N_SILENT": len(silent),
        "OLDEST_AGE": beats.oldest_s,
        "WHO": ", ".join(silent),
    }


if __name__ == "__main__":
    run_alone()
