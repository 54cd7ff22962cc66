// sim/run/message_key.h: names peer messages by what they are, so that the
// choices about one stay as they were when others come or go
// (WorldOptions::message_key).
//
// Reads the headers that it needs and nothing else, not by the product's own
// decoder (docs/reference/formats/envelope.md).
#ifndef QUORATE_SIM_RUN_MESSAGE_KEY_H_
#define QUORATE_SIM_RUN_MESSAGE_KEY_H_

#include <cstdint>
#include <string_view>

namespace quorate::sim {

// Of an envelope: group, type, term, index and offset of its first message. Further
// ones, payloads, commit indices and read batches do not count: they depend
// on what else happens at the time. The same for all that is no envelope.
uint64_t EnvelopeKey(std::string_view bytes);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_MESSAGE_KEY_H_
