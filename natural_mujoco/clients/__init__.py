"""Other libraries on the fast vector environment, each imported only by who uses it.

- `frames`: `StackFrames` and `ChannelsFirst`, wrappers for `gymnasium.make_vec`'s environments.
- `stable_baselines3`: `SB3VecEnv`, Stable-Baselines3's `VecEnv`.
- `torchrl`: `TensorInfos`, with which TorchRL takes `SAME_STEP`; `DISABLED` works as it is.
"""
