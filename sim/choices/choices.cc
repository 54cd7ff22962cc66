#include "sim/choices/choices.h"

#include <string>

#include "env/random.h"

namespace quorate::sim {

Choices::Choices(uint64_t seed, bool record)
    : random_(seed), replaying_(false), recording_(record) {}

Choices::Choices(const Tape& tape)
    : random_(tape.seed),
      replaying_(true),
      recording_(false),
      choices_(tape.choices) {
  replay_.reserve(choices_.size());
  for (size_t i = 0; i < choices_.size(); ++i) {
    const TapeChoice& choice = choices_[i];
    replay_.try_emplace(Key(Site(std::string_view(choice.site)).hash(),
                            choice.entity, choice.counter),
                        Replayed{i, false});
  }
}

ChoiceKey Choices::Count(const ChoiceSite& kind, uint64_t entity,
                         uint64_t counter) {
  const uint64_t before = counts_[Key(kind.site.hash(), entity, counter)]++;
  if (before == 0) return {entity, counter};
  return {entity, Mix64(counter + before * 0x9e3779b97f4a7c15)};
}

uint64_t Choices::Find(const ChoiceSite& site, const ChoiceKey& key,
                       uint64_t default_value) {
  const auto found =
      replay_.find(Key(site.site.hash(), key.entity, key.counter));
  if (found == replay_.end()) return default_value;
  found->second.used = true;
  return choices_[found->second.line].value;
}

void Choices::Record(const ChoiceSite& site, const ChoiceKey& key,
                     uint64_t value) {
  choices_.push_back({std::string(site.name), key.entity, key.counter, value});
}

std::vector<TapeChoice> Choices::taken() const {
  if (!replaying_) return choices_;
  std::vector<TapeChoice> used;
  for (size_t line = 0; line < choices_.size(); ++line) {
    const TapeChoice& choice = choices_[line];
    const auto found =
        replay_.find(Key(Site(std::string_view(choice.site)).hash(),
                         choice.entity, choice.counter));
    // Of two lines with one name the first counts.
    if (found->second.used && found->second.line == line) {
      used.push_back(choice);
    }
  }
  return used;
}

}  // namespace quorate::sim
