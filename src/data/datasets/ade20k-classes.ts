/**
 * @file The 150 classes of ADE20K's scene parsing, and the 100 of them that are things (Mask2Former's
 * prepare_ade20k_pan_seg.py).
 */

import { classList } from "./class-list.js";

/** One a line, in the order of their ids 0 to 149; "window " has its blank in the official list. */
const NAMES = `wall
building
sky
floor
tree
ceiling
road, route
bed
window 
grass
cabinet
sidewalk, pavement
person
earth, ground
door
table
mountain, mount
plant
curtain
chair
car
water
painting, picture
sofa
shelf
house
sea
mirror
rug
field
armchair
seat
fence
desk
rock, stone
wardrobe, closet, press
lamp
tub
rail
cushion
base, pedestal, stand
box
column, pillar
signboard, sign
chest of drawers, chest, bureau, dresser
counter
sand
sink
skyscraper
fireplace
refrigerator, icebox
grandstand, covered stand
path
stairs
runway
case, display case, showcase, vitrine
pool table, billiard table, snooker table
pillow
screen door, screen
stairway, staircase
river
bridge, span
bookcase
blind, screen
coffee table
toilet, can, commode, crapper, pot, potty, stool, throne
flower
book
hill
bench
countertop
stove
palm, palm tree
kitchen island
computer
swivel chair
boat
bar
arcade machine
hovel, hut, hutch, shack, shanty
bus
towel
light
truck
tower
chandelier
awning, sunshade, sunblind
street lamp
booth
tv
plane
dirt track
clothes
pole
land, ground, soil
bannister, banister, balustrade, balusters, handrail
escalator, moving staircase, moving stairway
ottoman, pouf, pouffe, puff, hassock
bottle
buffet, counter, sideboard
poster, posting, placard, notice, bill, card
stage
van
ship
fountain
conveyer belt, conveyor belt, conveyer, conveyor, transporter
canopy
washer, automatic washer, washing machine
plaything, toy
pool
stool
barrel, cask
basket, handbasket
falls
tent
bag
minibike, motorbike
cradle
oven
ball
food, solid food
step, stair
tank, storage tank
trade name
microwave
pot
animal
bicycle
lake
dishwasher
screen
blanket, cover
sculpture
hood, exhaust hood
sconce
vase
traffic light
tray
trash can
fan
pier
crt screen
plate
monitor
bulletin board
shower
radiator
glass, drinking glass
clock
flag`.split("\n");

/** Ids of the things; the i-th is the category i + 1 of instance maps. */
export const THING_IDS: readonly number[] = [
  7, 8, 10, 12, 14, 15, 18, 19, 20, 22, 23, 24, 27, 30, 31, 32, 33, 35, 36, 37, 38, 39, 41, 42, 43, 44, 45, 47, 49, 50,
  53, 55, 56, 57, 58, 62, 64, 65, 66, 67, 69, 70, 71, 72, 73, 74, 75, 76, 78, 80, 81, 82, 83, 85, 86, 87, 88, 89, 90,
  92, 93, 95, 97, 98, 102, 103, 104, 107, 108, 110, 111, 112, 115, 116, 118, 119, 120, 121, 123, 124, 125, 126, 127,
  129, 130, 132, 133, 134, 135, 136, 137, 138, 139, 142, 143, 144, 146, 147, 148, 149,
];

const THINGS = new Set(THING_IDS);

export const ADE20K_CLASSES = classList(NAMES.map((name, id) => ({ id, name, isThing: THINGS.has(id) })));
