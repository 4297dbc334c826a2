#include "broker/once_table.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace baozi::broker {

namespace {

constexpr char prefix = 'o';  // revocations have 'u' and 't' in the same space
constexpr std::size_t erased_per_turn = 1'000;
constexpr std::size_t walked_per_turn = 65'536;  // places: less than a millisecond

/// The finisher of splitmix64: a bijection that spreads every bit.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

std::uint64_t little_endian(BytesView upto_eight) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < upto_eight.size(); ++i) {
    word |= std::uint64_t{static_cast<unsigned char>(upto_eight[i])} << (8 * i);
  }
  return word;
}

void put_big_endian(std::uint64_t word, std::uint8_t* to) {
  for (std::size_t i = 0; i < 8; ++i) to[i] = static_cast<std::uint8_t>(word >> (56 - 8 * i));
}

/// UUIDs of version 7 begin with the time: all bits are needed to spread them.
std::uint64_t hash_of(const Uuid& id) {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::memcpy(&a, id.bytes.data(), 8);
  std::memcpy(&b, id.bytes.data() + 8, 8);
  return mix(a ^ mix(b + 0x9E3779B97F4A7C15ULL));
}

}  // namespace

Uuid OnceTable::digest(const wire::IdView& id) {
  if (id.uuid) {
    const Uuid own = Uuid::from_bytes(id.bytes);
    if (!own.is_nil()) return own;  // the nil one means a free place; it is hashed as text is
  }
  std::uint64_t a = 0x243F6A8885A308D3ULL + id.bytes.size();
  std::uint64_t b = 0x13198A2E03707344ULL ^ id.bytes.size();
  for (std::size_t at = 0; at < id.bytes.size(); at += 8) {
    const std::uint64_t word = little_endian(id.bytes.substr(at, 8));
    a = mix(a ^ word);
    b = mix(b + word * 0xA4093822299F31D1ULL);
  }
  Uuid digest;
  put_big_endian(mix(a + b), digest.bytes.data());
  put_big_endian(mix(a ^ (b << 1U | b >> 63U)) | 1U, digest.bytes.data() + 8);
  return digest;
}

std::size_t OnceTable::memory() const {
  std::size_t places = 0;
  for (const Shard& shard : shards_) places += shard.places.capacity();
  return places * sizeof(OnceMark);
}

// The shard comes from the lowest bits, the place in it from the highest.
std::size_t OnceTable::first_place(const Shard& shard, std::uint64_t hash) {
  return static_cast<std::size_t>(((hash >> 32U) * shard.places.size()) >> 32U);
}

std::optional<std::int64_t> OnceTable::until(const Uuid& id) const {
  const std::uint64_t hash = hash_of(id);
  const Shard& shard = shards_[hash % shard_count];
  if (shard.size == 0) return std::nullopt;
  for (std::size_t at = first_place(shard, hash); !shard.places[at].id.is_nil();) {
    if (shard.places[at].id == id) return shard.places[at].until_us;
    if (++at == shard.places.size()) at = 0;
  }
  return std::nullopt;
}

void OnceTable::add(const OnceMark& mark) {
  Shard& shard = shards_[hash_of(mark.id) % shard_count];
  if ((shard.size + 1) * 8 > shard.places.size() * 7) grow(shard);
  const std::size_t before = shard.size;
  put(shard, mark);
  size_ += shard.size - before;
  shard.earliest = std::min(shard.earliest, mark.until_us);
}

void OnceTable::put(Shard& shard, const OnceMark& mark) {
  std::size_t at = first_place(shard, hash_of(mark.id));
  while (!shard.places[at].id.is_nil() && shard.places[at].id != mark.id) {
    if (++at == shard.places.size()) at = 0;
  }
  if (shard.places[at].id.is_nil()) ++shard.size;
  shard.places[at] = mark;
}

void OnceTable::grow(Shard& shard) {
  std::vector<OnceMark> before(
      std::max<std::size_t>(shard.places.size() + shard.places.size() / 2, 8));
  std::swap(before, shard.places);
  shard.size = 0;
  for (const OnceMark& mark : before) {
    if (!mark.id.is_nil()) put(shard, mark);
  }
}

void OnceTable::erase_at(Shard& shard, std::size_t at) {
  // Those behind it move up, as long as that brings none of them before its first place.
  const std::size_t places = shard.places.size();
  std::size_t hole = at;
  for (std::size_t next = (at + 1) % places; !shard.places[next].id.is_nil();
       next = (next + 1) % places) {
    const std::size_t first = first_place(shard, hash_of(shard.places[next].id));
    const std::size_t distance = (next + places - first) % places;
    if (distance < (next + places - hole) % places) continue;
    shard.places[hole] = shard.places[next];
    hole = next;
  }
  shard.places[hole] = {};
  --shard.size;
}

bool OnceTable::purge(std::int64_t upto_us, std::vector<Uuid>& gone) {
  std::size_t walked = 0;
  for (std::size_t looked = 0; looked < shard_count; ++looked) {
    Shard& shard = shards_[purged_upto_];
    if (shard.earliest <= upto_us) {
      if (walked + shard.places.size() > walked_per_turn && walked > 0) return false;
      walked += shard.places.size();
      std::int64_t earliest = INT64_MAX;
      for (std::size_t at = 0; at < shard.places.size();) {
        const OnceMark& mark = shard.places[at];
        if (!mark.id.is_nil() && mark.until_us <= upto_us) {
          if (gone.size() >= erased_per_turn) return false;
          gone.push_back(mark.id);
          erase_at(shard, at);  // another one may have moved here: look again
          --size_;
          continue;
        }
        if (!mark.id.is_nil()) earliest = std::min(earliest, mark.until_us);
        ++at;
      }
      // What moved from the front to the back over the end was seen before or is seen again.
      shard.earliest = earliest;
      if (shard.size == 0) shard.places = {};
    }
    purged_upto_ = (purged_upto_ + 1) % shard_count;
  }
  return true;
}

Bytes OnceTable::key(const Uuid& id) { return Bytes{prefix}.append(id.view()); }

Bytes OnceTable::pack(std::int64_t until_us) {
  std::array<std::uint8_t, 8> word{};
  put_big_endian(static_cast<std::uint64_t>(until_us), word.data());
  return Bytes{BytesView{reinterpret_cast<const char*>(word.data()), word.size()}};
}

std::optional<OnceMark> OnceTable::unpack(const store::Record& record) {
  if (record.space != store::Space::marks || record.key.size() != 17 ||
      record.key.front() != prefix) {
    return std::nullopt;
  }
  OnceMark mark{Uuid::from_bytes(BytesView{record.key}.substr(1)), 0};
  if (mark.id.is_nil() || !record.value || record.value->size() != 8) return std::nullopt;
  std::uint64_t until = 0;
  for (const char c : *record.value) until = until << 8U | static_cast<unsigned char>(c);
  mark.until_us = static_cast<std::int64_t>(until);
  return mark;
}

}  // namespace baozi::broker
