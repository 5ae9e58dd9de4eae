"""Evaluation: the protocol, playing episodes, results files and statistics.

- `conditions`: tasks, conditions, episode seeds. `protocol`: the interface of a policy.
- `policy_source`, `policy_loading`: turn what the user names into a policy.
- `episodes`: the loop that plays episodes.
- `rollout`, `worker`, `ray_tasks`: play blocks of episodes, in processes or on a cluster.
- `plan`, `evaluate`: a whole evaluation, which can be resumed.
- `records`, `checking`, `replay`: results files, and checks whether they are right.
- `scores`, `statistics`: compute scores and intervals from records.
- `references`, `published`, `elsewhere`: numbers with which entries are compared.
- `curves`, `training_curves`: learning curves.
"""
