"""Adapters from the fast vector environment to other libraries. Import the module of the library that you use.

- `frames`: `StackFrames` and `ChannelsFirst`, wrappers for `gymnasium.make_vec`'s environments.
- `stable_baselines3`: `SB3VecEnv`, a `VecEnv` for Stable-Baselines3.
- `torchrl`: `TensorInfos`, which TorchRL needs for the autoreset mode `SAME_STEP`; `DISABLED` needs no adapter.
"""
