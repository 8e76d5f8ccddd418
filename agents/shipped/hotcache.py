"""Hot cache: the newest value of selected PVs in memcached, under the names of the PVs, for clients that cannot speak EPICS."""

from agents import Agent, Inputs, Output, Outputs, run_alone

agent = Agent(
    interval=1,
    offset=0.5,
    description="Copies selected PVs into memcached",
    inputs=lambda context: {"pvs": context.parameters["pvs"]},
    outputs=[
        Output("N", "PVs that are selected", kind="int"),
        Output("N_VALID", "PVs among them with a valid value", kind="int"),
        Output("OLDEST_AGE", "Time since the stillest of them changed", unit="s", precision=1),
    ],
    require="none",
    mirror=True,
    parameters={"pvs": ["*:CH??:*_RBV", "*:CH??:STATE", "*:CONNECTED"]},
)


def work(inputs: Inputs) -> Outputs:
    """One run."""
    pvs = inputs["pvs"]
    return {"N": len(pvs), "N_VALID": len(pvs) - len(pvs.invalid), "OLDEST_AGE": pvs.oldest_s}


if __name__ == "__main__":
    run_alone()
