// sim/run/message_key.h: names peer messages by their contents. So the choices
// about a message stay the same when other messages are added or removed
// (WorldOptions::message_key).
//
// Has a decoder of its own for the few fields that it needs
// (docs/reference/formats/envelope.md), so that the keys do not depend on the
// product's decoder.
#ifndef QUORATE_SIM_RUN_MESSAGE_KEY_H_
#define QUORATE_SIM_RUN_MESSAGE_KEY_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::sim {

// Returns a hash of group, type, term, index and offset of the first message in
// an envelope. Other messages, payloads, commit indices and read rounds are
// left out, because they depend on what else happens at the time. A founding
// message has its kind. Zero for other bytes.
uint64_t EnvelopeKey(std::string_view bytes);

// Each message in words: "append of group 3, term 2, index 17; …". Empty for
// bytes that no node sends.
std::string EnvelopeText(std::string_view bytes);

// The same for bytes that arrive together: a message, or frames with messages
// on a stream between nodes.
std::string MessageText(std::string_view bytes);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_MESSAGE_KEY_H_
