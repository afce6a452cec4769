"""Made-up runs, written short: the events of a trace from the shape of a training.

A run is a mapping. `epochs`: up to which epoch (from where it stands; 0 at first). `nb`: batches of an epoch. `val`: what successive
validations measure of val_loss (or, by `metric`, of another one), one after each epoch, or `val_per_epoch`, or every `val_every` epochs,
or `val_every_steps`; `val_at_end`: what one after the last step measures.
`accumulate`: batches of an update. `updates`: what optimizers step in a batch (manual optimization). `train_loss`: by batch.
`stop_step`, `stop_batch`: the process is gone after it. `max_steps`: the run ends there. `raise_after`, `signal_after`: batches of the run.
`end: false`: no end. `resume`: from what; `from_batch`: the batch of the run at which that state was taken."""


class Run:
    def __init__(self):
        self.events = []
        self.batch = self.step = 0  # of the whole training

    def add(self, event, **keys):
        self.events.append({"event": event, **keys})

    def play(self, run):
        if "resume" in run:
            keys = {key: run[key] for key in ("directory", "checkpoints", "total_steps") if key in run}
            self.add("resume", **{"from": run["resume"]}, **keys)
            self.batch, self.step = run.get("from_batch", 0), run.get("from_step", 0)
        elif run.get("start"):
            self.add("start", **run["start"])
        for event in run.get("events", []):
            self.events.append(event)
        if "epochs" in run:
            self.train(run)

    def train(self, run):
        nb, values, metric = run.get("nb", 2), list(run.get("val", [])), run.get("metric", "val_loss")
        losses = list(run.get("train_loss", []))
        positions = {round(nb * (i + 1) / run.get("val_per_epoch", 1)) for i in range(run.get("val_per_epoch", 1))}
        accumulate, group = run.get("accumulate", 1), 0
        if run.get("sanity_check"):
            self.add("validation", sanity_check=True, metrics={metric: 0.0})
        first = self.batch // nb
        for epoch in range(first, run["epochs"]):
            for at in range(self.batch - epoch * nb, nb):
                group += 1
                is_update = group == accumulate or at + 1 == nb
                group = 0 if is_update else group
                updates = run.get("updates", [1])
                stepped = updates[self.batch % len(updates)] if "updates" in run else int(is_update)
                keys = {"accumulating": True} if accumulate > 1 and not is_update else {}
                if losses:
                    keys["metrics"] = {"train_loss": losses.pop(0)}
                self.add("batch", updates=stepped, **keys)
                self.batch += 1
                self.step += 1 if (stepped if isinstance(stepped, int) else any(stepped.values())) else 0
                is_epoch_over = at + 1 == nb
                if "minutes" in run:
                    self.add("time", minutes=run["minutes"])
                if "val_every_steps" in run:
                    is_measured = is_update and self.step % run["val_every_steps"] == 0
                else:
                    is_measured = at + 1 in positions
                if is_measured and (epoch + 1) % run.get("val_every", 1) == 0 and values:
                    value = values.pop(0)
                    self.add("validation", metrics=value if isinstance(value, dict) else {metric: value})
                if is_epoch_over:
                    self.add("epoch_end")
                if run.get("remove_after") == self.batch:
                    self.add("remove", name=run["remove"])
                if self.batch == run.get("raise_after"):
                    self.add("exception")
                    return
                if self.batch == run.get("signal_after"):
                    self.add("signal")
                    return
                if self.step == run.get("stop_step") or self.batch == run.get("stop_batch"):
                    return
                if self.step == run.get("max_steps"):
                    if run.get("val_at_end") is not None:
                        self.add("validation", metrics={metric: run["val_at_end"]})
                    self.add("train_end")
                    return
        if run.get("end", True):
            self.add("train_end")


def events_of(runs):
    run = Run()
    for part in runs:
        run.play(part)
    return run.events
