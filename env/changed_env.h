// env/changed_env.h: an environment in which one part is another one, such as a
// disk in front of the disk.
#ifndef QUORATE_ENV_CHANGED_ENV_H_
#define QUORATE_ENV_CHANGED_ENV_H_

#include "env/disk.h"
#include "env/env.h"
#include "env/transport.h"

namespace quorate::env {

// `env` with another disk and another transport.
inline Env With(const Env& env, Disk& disk, Transport& transport) {
  return {.loop = env.loop,
          .disk = disk,
          .transport = transport,
          .streams = env.streams,
          .tracer = env.tracer,
          .buggify = env.buggify,
          .process = env.process,
          .random = env.random,
          .secrets = env.secrets};
}

inline Env WithDisk(const Env& env, Disk& disk) {
  return With(env, disk, env.transport);
}

inline Env WithTransport(const Env& env, Transport& transport) {
  return With(env, env.disk, transport);
}

}  // namespace quorate::env

#endif  // QUORATE_ENV_CHANGED_ENV_H_
