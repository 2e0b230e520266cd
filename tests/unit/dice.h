/* SPDX-License-Identifier: Apache-2.0 */
/* Dice for generated tests: a seed (unit test) or the bytes of a fuzzer. */
#ifndef WEFT_TESTS_UNIT_DICE_H
#define WEFT_TESTS_UNIT_DICE_H

#include <stddef.h>
#include <stdint.h>

struct dice {
	uint64_t state; /* when there are no bytes */
	const uint8_t *bytes;
	size_t count, next;
};

static inline uint32_t dice_roll(struct dice *dice, uint32_t sides)
{
	uint64_t mixed;

	if (dice->bytes)
		return dice->next < dice->count ? dice->bytes[dice->next++] % sides : 0;
	/* splitmix64 */
	dice->state += 0x9e3779b97f4a7c15;
	mixed = (dice->state ^ dice->state >> 30) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(mixed >> 33) % sides;
}

#define DICE_PICK(dice, list) ((list)[dice_roll(dice, sizeof(list) / sizeof(*(list)))])

#endif /* WEFT_TESTS_UNIT_DICE_H */
