"""Sichuan scripts: what people in Chengdu and Chongqing say, in simplified characters with Sichuan words."""

SLOTS = {
    "digit": "零 一 二 三 四 五 六 七 八 九",
    "some": "两 三 四 五 六 七 八 九 十",
    "ten": "二十 三十 四十 五十 六十 七十 八十 九十",
    "month": "一 二 三 四 五 六 七 八 九 十 十一 十二",
    "unit": "一 二 三 四 五 六 七 八 九",
    "day": "{unit} 十 十{unit} 二十 二十{unit}",
    "date": "{month}月{day}号 二零二{digit}年{month}月{day}号",
    "hour": "一 两 三 四 五 六 七 八 九 十 十一 十二",
    "clock": "{hour}点 {hour}点半 {hour}点一刻 {hour}点{ten}分",
    "price": "{some}块 {ten}块 {some}百块 {some}块五角 {some}千块",
    "cheap": "{some}块 {some}块五 十{unit}块",
    "weekday": "一 二 三 四 五 六 天",
    "past": "昨天 前天 上个月 上星期{weekday} 去年子 昨天黑了 刚刚 今天早晨",
    "future": "明天 后天 下个月 下星期{weekday} 今天黑了 明天晌午 等一下 过年 周末",
    "habit": "天天 平时 经常 周末 吃了晌午 每个星期{weekday} 没事就",
    "person": "妈老汉儿 老汉儿 妈妈 爷爷 婆婆 外婆 外公 姐姐 弟娃儿 妹儿 幺儿 幺妹儿 舅舅 表叔 老师 "
    "师傅 老板 同学 幺爸 女娃子 王{aunt} 张师傅 老周 小杨",
    "aunt": "嬢嬢 婆婆 大爷 老师 师傅",
    "folk": "{person} {person} {person} 我们 他们",
    "male": "弟娃儿 舅舅 幺爸 同学 小杨",
    "loud": "打麻将 唱歌 跳坝坝舞 吹牛 打牌",
    "who": "你 你们 他 你妈老汉儿 幺儿 幺妹儿 张师傅",
    "city": "成都 重庆 乐山 宜宾 南充 青城山 广安",
    "place": "茶馆 火车站 菜市场 医院 河边 人民公园 火锅店 麻将馆 超市 银行 地铁站 坝坝头 院子头 车站",
    "go": "去茶馆喝茶 去{city}耍 去河边钓鱼 去吃火锅 去菜市场买菜 去看熊猫 去接娃儿放学 "
    "去医院看病 去农家乐耍 去坝坝头跳舞 去吃串串香 去理发 去看电影 去银行取钱",
    "act": "摆龙门阵 打麻将 喝盖碗茶 吃火锅 晒太阳 下象棋 跳坝坝舞 看电视 耍手机 煮饭 洗碗 "
    "洗衣裳 做作业 唱歌 包抄手 浇花 炒回锅肉 打牌 钓鱼 吹牛",
    "food": "火锅 回锅肉 麻婆豆腐 担担面 抄手 串串香 冒菜 龙抄手 钟水饺 水煮鱼 酸菜鱼 甜水面 凉粉 "
    "豆花 兔头 鱼香茄子 嘎嘎 蛋炒饭",
    "fruit": "橘子 樱桃 西瓜 桃子 李子 苹果",
    "veg": "海椒 花椒 洋芋 茄子 生姜 大蒜 冬瓜",
    "spice": "海椒 花椒 生姜 大蒜",
    "drink": "盖碗茶 花茶 啤酒 白酒 豆浆 开水 酸梅汤",
    "taste": "辣 麻 香 鲜 甜 酸 咸 嫩 脆 巴适 好吃",
    "goods": "一{thing} 一{thing} 一口锅 一把竹椅子 一床铺盖 一幅蜀绣 一个电视",
    "thing": "件衣裳 双鞋子 条裤子 把伞 部手机 串钥匙 个钱包 把扇子 个书包 个茶碗 双筷子",
    "color": "红色 黄色 蓝色 绿色 白色 黑色 灰色 紫色",
    "look": "巴适 漂亮 乖 贵 相因 结实 新 旧 大 小",
    "bad": "贵 旧 大 小",
    "feel": "安逸 高兴 巴适 鬼火冒 着急 害怕 伤心 开心 冒火 不安逸 心焦 闷 激动 难过",
    "trait": "能干 霸道 勤快 老实 懒 胖 瘦 热情 凶 乖 高 矮",
    "job": "医生 护士 司机 厨师 警察 老板 记者 工人 农民 演员",
    "ride": "坐地铁 坐公交车 开车 走路 坐火车 打车 坐飞机 坐船",
    "weather": "落雨 下雪 吹风 打雷 出太阳 起雾 降温",
    "sky_ask": "冷不冷 热不热 闷不闷 凉快不 安逸不",
    "sky": "冷 热 凉快 闷热 热和 安逸",
    "ill": "脑壳痛 肚皮痛 咳嗽 发烧 感冒 腰杆痛 脚杆痛",
    "very": "硬是 确实 真的 好",
    "animal": "熊猫 猫儿 狗儿 猪儿 鸭子 猴子 雀雀 金鱼 兔子 牛 老虎",
    "particle": "哦 嘛 噻 哈",
    "limb": "脑壳 肚皮 手杆 脚杆 膝盖",
    "bug": "偷油婆 蚊子 丁丁猫 蛐蛐儿",
    "team": "四川队 成都队 重庆队 我们班",
    "surname": "王 李 张 杨 黄 周",
    "call": "美女 老板儿 师傅 大爷",
    "spot": "左边 右边 前头 后头 对门 旁边",
    "chore": "关门 关灯 带钥匙 穿衣裳 吃药 打电话 交电费 锁门",
    "sad": "鬼火冒 着急 伤心 冒火 不安逸 心焦 难过 害怕",
    "feel_good": "安逸 高兴 开心 激动 巴适",
    "fault": "懒 凶 笨 瓜 霸道",
}

SENTENCES = """
{past}{folk}{go}了。
{future}{folk}要{go}。
{future}我们一路{go}，要得不？
要得，{future}我们{go}噻。
{folk}{habit}{act}，安逸得很。
{person}正在{act}，你等一下嘛。
{who}在做啥子，又在{act}嗦？
莫{act}了，快来吃饭！
吃了饭，我们来{act}嘛。
{person}最爱{act}了。
{who}晓不晓得，{person}{past}{go}了？
我晓得，{person}天天都在{act}。
我不晓得{person}{past}做啥子去了。
哪个在{loud}哦，闹得很。
哪个喊你{act}的？
这个{food}{very}{taste}，你尝一下。
{food}好{taste}哦，巴适得板！
老板儿，来一碗{food}，少放点海椒。
{person}做的{food}{very}{taste}。
{call}，{food}好多钱一份？
晌午吃{food}，黑了吃{food}。
我想吃{food}，{who}吃啥子？
今天莫得{food}了，吃{food}要不要得？
幺儿乖，快来吃{food}。
{person}喊我们去屋头吃{food}。
{fruit}好多钱一斤？
{fruit}{cheap}一斤，硬是相因。
{veg}和{veg}我都要一斤。
锅头莫得{veg}了，去买点嘛。
煮{food}要放{spice}才香。
{who}喝{drink}还是{drink}？
{call}，再来一杯{drink}。
{past}我买了{goods}，花了{price}。
{person}给{person}买了{goods}。
这{thing}要{price}，相因点嘛。
那{thing}是{color}的，硬是{look}。
这{thing}太{bad}了，我不要。
我那{thing}在哪点，{who}看到没得？
{person}把那{thing}搞丢了，{sad}得很。
{call}，{place}咋个走？
{place}就在{place}{spot}。
从这点到{place}，走路要{some}分钟。
我们{ride}去{place}，要得不？
{person}天天{ride}上班。
{ride}去{city}要{some}个钟头。
{future}我{ride}去{city}耍。
{city}好耍得很，{future}一路去嘛。
火车{clock}到{city}，莫迟到哈。
现在{clock}了，{person}还在{act}。
{clock}我们在{place}门口等。
今天是{date}，星期{weekday}。
{person}的生日是{date}。
{date}{male}要接媳妇儿。
我的电话是一三{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}。
{person}住在{unit}楼{digit}{digit}{digit}。
我们屋头有{some}个人，{some}条狗儿。
{person}是{job}，在{city}上班。
{person}以前当过{job}。
幺儿长大了想当啥子，当{job}嗦？
{person}这个人{very}{trait}。
{person}又{trait}又{trait}。
你这个瓜娃子，咋个这么{fault}哦！
瓜娃子，莫在那点{act}了。
{person}今天{very}{feel}。
莫{sad}，慢慢来嘛。
{who}为啥子{sad}哦？
{future}要{weather}，记到带伞。
{past}{city}{weather}了。
{city}今天{sky}得很。
{city}的天气咋个样，{sky_ask}？
外头在{weather}，{person}还没回来。
{person}{ill}，要去看医生。
我{ill}，{future}不去上班了。
{who}咋个了，是不是{ill}？
{team}雄起，雄起！
{team}{past}赢了，我们都{feel_good}。
{city}的{animal}{very}乖。
幺儿，快来看{animal}{particle}！
屋头有{bug}，快点打！
{person}的{limb}受伤了，莫法{act}。
你好，我姓{surname}，是{city}人。
{who}屋头在哪点，在{city}嗦？
对不起，我搞忘了{chore}。
{who}记到{chore}{particle}。
{future}莫搞忘了{chore}。
莫得事，慢慢{act}嘛。
{who}{past}做啥子去了？
随便你{particle}，我都要得。
没得来头，{future}再{go}嘛。
{person}{some}点钟就起床{act}。
雄起，{person}加油！
耍得好的话，{future}又来{city}。
{person}打麻将赢了{price}，请我们吃{food}。
"""
